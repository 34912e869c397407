BEGIN;
SELECT plan(9);

SELECT t.campaign(t.pipeline(1), 1) AS c \gset
SELECT t.claim(1) AS run \gset
-- The other counters are there, or unknown: neither excuses the one that is wrong.
SELECT throws_ok(format('UPDATE vibe.runs SET input_tokens = %s, output_tokens = %1$s, cost_usd = %s, %I = -1 WHERE id = %s', others, others, name, :run),
                 '23514', NULL, format('%s below 0 where the others are %s', name, others))
  FROM unnest('{cache_read_tokens,cache_write_tokens}'::text[]) name, unnest('{1,"NULL"}'::text[]) others;
SELECT throws_ok(format('UPDATE vibe.runs SET %I = -1 WHERE id = %s', name, :run), '23514', NULL, name || ' below 0')
  FROM unnest('{input_tokens,output_tokens}'::text[]) name;
SELECT throws_ok(format('UPDATE vibe.runs SET cost_usd = %L WHERE id = %s', cost, :run), '23514', NULL, 'a cost of ' || cost)
  FROM unnest('{-0.1,Infinity,NaN}'::text[]) cost;

SELECT * FROM finish();
ROLLBACK;
