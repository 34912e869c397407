BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(100)) AS c \gset
SELECT is((SELECT string_agg(DISTINCT t.done(t.task(:c)), ' ') FROM generate_series(1, 99)), 'backlog', 'ninety-nine steps');
SELECT is(t.done(t.task(:c)) || ' ' || t.campaign_status(:c), 'completed completed', 'and the last');

SELECT * FROM finish();
ROLLBACK;
