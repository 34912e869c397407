-- What the demo's screen shows, as lines of text; the first two say it all.
-- variable: campaign

SELECT format('%s: %s, %s of %s steps, %s of %s articles, %s at work%s',
              c.slug, c.status, p.steps_done, p.steps_total, p.done, p.total, p.running,
              CASE WHEN p.revisions > 0 THEN format(', %s sent back', p.revisions) END)
       || E'\n' || concat_ws(', ',
              CASE WHEN p.tasks_per_minute > 0 THEN format('%s articles a minute', round(p.tasks_per_minute, 1)) END,
              CASE WHEN p.seconds_left > 0 THEN format('about %s s left', round(p.seconds_left)) END)
  FROM vibe.campaigns AS c, vibe.campaign_progress(id => :campaign) AS p
 WHERE c.id = :campaign;

SELECT '';

-- one bar for each step: # has it behind it, > is at it, . has it before it
SELECT format('  %s %s%s%s', rpad(s.label, 18), repeat('#', n.behind), repeat('>', n.at_work), repeat('.', n.total - n.behind - n.at_work))
  FROM vibe.campaigns AS c
  JOIN vibe.pipeline_steps AS s USING (pipeline_version_id)
  CROSS JOIN LATERAL (
        SELECT count(*)::int AS total,
               (count(*) FILTER (WHERE (t.step > s.step) IS NOT FALSE))::int AS behind,
               (count(*) FILTER (WHERE r.step = s.step))::int AS at_work
          FROM vibe.tasks AS t
          LEFT JOIN vibe.runs AS r ON r.task_id = t.id AND r.branch = '' AND r.closed_at IS NULL
         WHERE t.campaign_id = c.id) AS n
 WHERE c.id = :campaign AND s.branch = '' AND s.agent_name IS NOT NULL
 ORDER BY s.step;

SELECT '';

-- as many lines whatever runs, so that the picture stands still
SELECT format('  %s %s%s', rpad(coalesce(n.agent, ''), 25), rpad(coalesce(left(n.task, 40), ''), 42),
              coalesce('process ' || n.pid, n.state, ''))
  FROM generate_series(1, 4) AS line
  LEFT JOIN (SELECT n.*, row_number() OVER (ORDER BY n.run_id) AS line FROM vibe.now AS n) AS n USING (line)
 ORDER BY line;

SELECT '';

SELECT format('  kill -9 what you like: server %s, dispatcher %s, a process above',
              split_part(pg_read_file('postmaster.pid'), E'\n', 1), coalesce(vibe._dispatcher_pid()::text, '-'));
