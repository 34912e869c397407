-- What agents did: how many tasks they did a step of, and the scores of these tasks now. A sum over all runs would read
-- history, so each done run has a share in it, which is written into its entry at its end and merged from there.
--
-- A share is told from the done runs of the task that were closed before: whether the agent had done a step of it, what
-- its score was, and whose sums a new score changes. Runs are closed as done under the lock of their task, so those
-- before are there and stay, and a share is the same whenever it is asked for, at the close or at the end. What
-- is superseded changes the shares of others: whoever supersedes takes the shares of the task's runs off before and adds
-- those that are left after.

-- Inlined into the INSERT at the end of each run. The greatest pair is the last one, without the sort of an ORDER BY.
-- coalesce: without it the indexes of what is closed would do, one of which a session that planned early reads whole.
CREATE FUNCTION vibe._done_before(task_id bigint, event bigint)
    RETURNS TABLE (agents text[], score numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT array_agg(r.agent_name),
           (max(ARRAY[r.close_event, r.quality_score]) FILTER (WHERE r.branch = '' AND r.quality_score IS NOT NULL))[2]
      FROM vibe.runs r
     WHERE r.task_id = _done_before.task_id AND r.outcome = 'done' AND NOT r.superseded
       AND coalesce(r.close_event, 9223372036854775807) < event;
END;
COMMENT ON FUNCTION vibe._done_before(bigint, bigint) IS 'The agents of the done runs of a task that were closed before an event and count, and its score then. One row, also with NULL for the task.';

CREATE FUNCTION vibe._shares(agent text, tasks_done integer, score_before numeric, score_after numeric, scored_agents text[])
    RETURNS TABLE (agent_name text, tasks integer, scored_tasks integer, scores numeric)
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT agent, tasks_done,
           num_nonnulls(score_after) - CASE WHEN tasks_done = 0 THEN num_nonnulls(score_before) ELSE 0 END,
           coalesce(score_after, 0) - CASE WHEN tasks_done = 0 THEN coalesce(score_before, 0) ELSE 0 END
    UNION ALL
    SELECT o.name, 0, num_nonnulls(score_after) - num_nonnulls(score_before), coalesce(score_after, 0) - coalesce(score_before, 0)
      FROM (SELECT DISTINCT u.name FROM unnest(scored_agents) u(name)) o WHERE o.name <> agent;
END;
COMMENT ON FUNCTION vibe._shares(text, integer, numeric, numeric, text[]) IS 'What a run adds to the sums of its agent, and of those whose task it scored; the arguments are as in vibe.usage_entries.';

CREATE FUNCTION vibe._shares_of_runs(ids bigint[])
    RETURNS TABLE (agent_name text, tasks integer, scored_tasks integer, scores numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
      FROM vibe.runs r
     CROSS JOIN LATERAL vibe._done_before(r.task_id, r.close_event) b
     CROSS JOIN LATERAL vibe._shares(r.agent_name, (r.agent_name = ANY (b.agents) IS NOT TRUE)::integer, b.score,
            coalesce(CASE WHEN r.branch = '' THEN r.quality_score END, b.score), b.agents) s
     WHERE r.id = ANY (ids) AND r.outcome = 'done' AND NOT r.superseded;
END;
COMMENT ON FUNCTION vibe._shares_of_runs(bigint[]) IS 'What closed runs add to the sums of agents, as their entries say it; no row for one that is not done or does not count.';

-- Tables written: agent_results. The task is locked by the caller; whoever ends a run has locked it as well, so that no
-- share is told of what is being superseded.
CREATE FUNCTION vibe._add_results(task_id bigint, sign integer)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    added bigint;
BEGIN
    INSERT INTO vibe.agent_results (agent_name, tasks, scored_tasks, scores)
    SELECT s.agent_name, sign * sum(s.tasks), sign * sum(s.scored_tasks), sign * sum(s.scores)
      FROM vibe._shares_of_runs(ARRAY(SELECT r.id FROM vibe.runs r WHERE r.task_id = _add_results.task_id AND r.ended_at IS NOT NULL)) s
     GROUP BY s.agent_name;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
COMMENT ON FUNCTION vibe._add_results(bigint, integer) IS 'Adds (1) or takes off (-1) the shares of a task''s ended runs; around whatever supersedes some of them.';

CREATE FUNCTION vibe._agent_results()
    RETURNS TABLE (agent_name text, tasks bigint, average_score numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.agent_name, sum(a.tasks)::bigint, sum(a.scores) / nullif(sum(a.scored_tasks), 0)
      FROM (SELECT t.agent_name, t.tasks, t.scored_tasks, t.scores FROM vibe.agent_results t
            UNION ALL
            SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
              FROM vibe.usage_entries e
             CROSS JOIN LATERAL vibe._shares(e.agent_name, e.tasks_done, e.score_before, e.score_after, e.scored_agents) s
            UNION ALL
            SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
              FROM vibe._shares_of_runs(ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.closed_at IS NOT NULL)) s) a
     GROUP BY a.agent_name;
END;
COMMENT ON FUNCTION vibe._agent_results() IS 'How many tasks each agent did a step of, and the average score of these.';
