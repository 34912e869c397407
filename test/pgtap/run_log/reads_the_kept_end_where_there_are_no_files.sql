BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.claim() AS run \gset
SELECT is(row(l.text, l.total_bytes, l.dropped_bytes, l.finished)::text, '("",0,,f)', 'nothing yet') FROM vibe.run_log(:run) l;
SELECT is(accepted, true) FROM t.finish(:run, extra => '{"stdout_tail": "äöü end", "stderr_tail": "oh"}');
SELECT is(row(l.*)::text, '("äöü end",0,10,10,,t)', 'the end that vibe.runs keeps') FROM vibe.run_log(:run) l;
SELECT is(row(l.text, l.from_byte, l.next_byte)::text, '(äö,0,4)', 'no character is cut') FROM vibe.run_log(:run, max_bytes => 5) l;
SELECT is(row(l.text, l.from_byte)::text, '(oh,0)', 'the other stream') FROM vibe.run_log(:run, 'stderr') l;
SELECT throws_ok(format('SELECT * FROM vibe.run_log(%s, max_bytes => 3)', :run), 'VB030', NULL, 'too little for one character');

SELECT * FROM finish();
ROLLBACK;
