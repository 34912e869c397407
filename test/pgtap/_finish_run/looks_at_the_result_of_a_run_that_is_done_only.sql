BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT t.claim() AS run \gset
SELECT t.finish(:run, 'failed', '{"result": {"score": "none", "output_path": "../x"}}') \g /dev/null
SELECT is(t.outcome(:run), 'failed', 'a result that breaks a rule changes nothing about a failure');
SELECT is((SELECT error FROM vibe.runs WHERE id = :run), NULL, 'and says nothing about it');

SELECT * FROM finish();
ROLLBACK;
