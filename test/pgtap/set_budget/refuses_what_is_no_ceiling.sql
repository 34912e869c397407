BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.set_budget(%s, %s)', :c, arguments), 'VB030', NULL, arguments)
  FROM unnest(ARRAY['0', '-1', $$'NaN'$$, $$'Infinity'$$, '1e12', $$1, per => 'day'$$, '1, per => NULL']) arguments;
SELECT throws_ok('SELECT * FROM vibe.set_budget(-1, 1)', 'VB002', NULL, 'a campaign that is not there');

SELECT * FROM finish();
ROLLBACK;
