BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "drafts"}}'), 2) AS c \gset
SELECT min(r) AS one, max(r) AS two FROM t.claim(2) r \gset
SELECT row(f.*)::text AS first FROM t.finish(:one) f \gset
SELECT t.finish(:two, 'failed') \g /dev/null
SELECT t.everything() AS before \gset
SELECT is(row(f.*)::text, :'first', 'the same answer') FROM t.finish(:one) f;
SELECT is(row(f.*)::text, :'first', 'whatever the record says now') FROM t.finish(:one, 'failed', '{"exit_code": 1, "usage": {"cost_usd": 9}}') f;
SELECT is(accepted, false, 'a failed one too') FROM t.finish(:two, 'done');
SELECT is(t.everything(), :'before');

SELECT * FROM finish();
ROLLBACK;
