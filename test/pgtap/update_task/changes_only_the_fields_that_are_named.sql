BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT slug AS before FROM vibe.tasks WHERE id = :task \gset
SELECT is(row(title, description, keyword, priority, deliverables)::text, '("New title",about,kw,urgent,"[""heroImage""]")', 'every one of them')
  FROM vibe.update_task(:task, '{"title": "New title", "description": "about", "keyword": "kw", "priority": "urgent", "deliverables": ["heroImage"]}');
SELECT is(slug, :'before', 'its files keep their name') FROM vibe.get_task(:task);
SELECT is(priority, 0::smallint, 'its work has the priority too') FROM vibe.work WHERE task_id = :task;
SELECT is(row(title, description, deliverables)::text, '("New title",,)', 'null clears, the others stay') FROM vibe.update_task(:task, '{"description": null, "deliverables": null}');
SELECT is(vibe.get_run_input(run_id, token) ->> 'title', 'New title', 'the next run is told') FROM t.acquire(:task);

SELECT * FROM finish();
ROLLBACK;
