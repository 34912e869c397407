-- What a call costs is compared between a tenth and the whole of the rows, in buffers, which what else the machine does
-- leaves alone. A probe of a deeper index costs a page more, which is why twice is allowed; what grows with something
-- may cost twice of ten times as much.
SELECT plan((SELECT 2 * count(*)::integer + 1 FROM plans.calls));

SELECT diag(format('%s: %s, then %s buffers, %s ms%s', c.name, s.buffers, l.buffers, l.ms, '; grows with ' || c.grows_with))
  FROM plans.calls c
  JOIN plans.measured s ON s.name = c.name AND s.size = 'small'
  JOIN plans.measured l ON l.name = c.name AND l.size = 'large' ORDER BY c.n;
SELECT CASE WHEN c.grows_with IS NULL THEN cmp_ok(l.buffers, '<=', 2 * s.buffers + 150, format('%s costs the same', c.name))
            ELSE cmp_ok(l.buffers, '<=', 20 * s.buffers + 150, format('%s grows no faster than %s', c.name, c.grows_with)) END
  FROM plans.calls c
  JOIN plans.measured s ON s.name = c.name AND s.size = 'small'
  JOIN plans.measured l ON l.name = c.name AND l.size = 'large' ORDER BY c.n;
SELECT CASE WHEN c.grows_with ~ '^(runs|open tasks)' THEN pass(format('%s may read whole tables', c.name))
            ELSE is(l.scans, NULL, format('%s reads no table from end to end', c.name)) END
  FROM plans.calls c
  JOIN plans.measured l ON l.name = c.name AND l.size = 'large' ORDER BY c.n;

-- What reads only tables that people fill by hand, or none, needs no call above.
SELECT is(string_agg(o.name, ' ' ORDER BY o.name), NULL, 'every view and every function that only reads is among the calls')
  FROM (SELECT p.proname AS name FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.provolatile = 's'
        UNION
        SELECT v.relname FROM pg_class v WHERE v.relnamespace = 'vibe'::regnamespace AND v.relkind = 'v') o
 WHERE o.name !~ '^_' AND NOT EXISTS (SELECT 1 FROM plans.calls c WHERE c.statement LIKE '%vibe.' || o.name || '%')
   AND o.name <> ALL ('{current_agents,current_pipelines,dispatcher_status,export_pipeline,get_pipeline,get_pipeline_by_slug,get_project_by_slug,
       list_agent_skills,list_notification_rules,list_pipeline_versions,list_preset_pipelines,list_prices,list_service_categories,
       list_skills,runners,validate_pipeline,version}');
SELECT * FROM finish();
