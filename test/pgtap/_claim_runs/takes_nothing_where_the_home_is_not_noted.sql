BEGIN;
SELECT plan(3);

SELECT t.campaign('content-draft', 2);
DELETE FROM vibe.home;
SELECT is_empty($$SELECT * FROM vibe._claim_runs(ARRAY['default'], ARRAY[2], 2)$$, 'rows of a restore that has not come to the home yet');
INSERT INTO vibe.home (identity, since) VALUES ('elsewhere', now());
SELECT is_empty($$SELECT * FROM vibe._claim_runs(ARRAY['default'], ARRAY[2], 2)$$, 'a copy');
SELECT count(*) FROM vibe.take_over();
SELECT is((SELECT count(*) FROM vibe._claim_runs(ARRAY['default'], ARRAY[2], 2)), 2::bigint, 'taken over');

SELECT * FROM finish();
ROLLBACK;
