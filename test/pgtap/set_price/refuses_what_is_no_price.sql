BEGIN;
SELECT plan(11);

SELECT throws_ok(format($$SELECT * FROM vibe.set_price(%s)$$, arguments), 'VB030', NULL, arguments)
  FROM unnest(ARRAY[$$NULL, 1, 1$$, $$'', 1, 1$$, $$E'a\nb', 1, 1$$, $$'m', NULL, 1$$, $$'m', 1, NULL$$, $$'m', -1, 1$$, $$'m', 1, 'NaN'$$, $$'m', 1, 1e400$$,
      $$'m', 1, 1, -0.1$$, $$'m', 1, 1, NULL, 'Infinity'$$, $$'m', 1, 1, valid_from => 'infinity'$$]) arguments;

SELECT * FROM finish();
ROLLBACK;
