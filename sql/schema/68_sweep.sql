-- The safety net. sweep() is idempotent, and safe at any time from anywhere: the row lock of vibe.sweep_state keeps
-- a second one out, whoever calls it (the dispatcher's timer, pg_cron, a person).

-- The next open tasks to be looked at for lost work: a quarter of them, 2500 at least and 5000 at most. How many
-- there are is what the last vacuum has counted; it decides how soon all have had their turn, and nothing else.
CREATE FUNCTION vibe._next_window(after bigint, OUT last_id bigint, OUT next bigint)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    size integer := (SELECT least(greatest(c.reltuples / 4, 2500), 5000) FROM pg_class c WHERE c.oid = 'vibe.tasks_open_by_id_idx'::regclass);
BEGIN
    SELECT t.id INTO last_id FROM vibe.tasks t WHERE t.ended_at IS NULL AND t.id > after ORDER BY t.id OFFSET size - 1 LIMIT 1;
    next := coalesce(last_id, 0);
    last_id := coalesce(last_id, 9223372036854775807);
END
$$;
COMMENT ON FUNCTION vibe._next_window(bigint) IS 'Up to which id the open tasks above the given one are looked at now, and above which one the next time.';

CREATE FUNCTION vibe._count_told(above bigint)
    RETURNS bigint
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT count(*) FROM vibe.notifications n WHERE n.id > above AND n.xmin = pg_current_xact_id_if_assigned()::xid;
END;
COMMENT ON FUNCTION vibe._count_told(bigint) IS 'How many notifications with higher ids than this one the transaction has made.';

CREATE FUNCTION vibe.sweep()
    RETURNS TABLE (swept boolean, stale_locks_released bigint, dispatched_runs_lost bigint, back_offs_ended bigint,
                   orphans_dispatched bigint, campaigns_completed bigint, branches_dispatched bigint, backlog_requests bigint,
                   notifications_queued bigint, runs_pruned bigint, activities_pruned bigint, notifications_pruned bigint,
                   service_calls_pruned bigint, tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    state vibe.sweep_state;
    seen bigint;
    part record;
BEGIN
    SELECT * INTO state FROM vibe.sweep_state s FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint;
        RETURN;
    END IF;
    swept := true;
    seen := (SELECT coalesce(max(n.id), 0) FROM vibe.notifications n);
    state.dispatcher_gone_since := CASE WHEN vibe._dispatcher_pid() IS NULL THEN coalesce(state.dispatcher_gone_since, at) END;
    SELECT w.last_id, w.next INTO part FROM vibe._next_window(state.looked_up_to) w;
    stale_locks_released := vibe._free_stale_locks(at);
    dispatched_runs_lost := vibe._free_dispatched_runs(state.dispatcher_gone_since, at);
    back_offs_ended := vibe._promote_due();
    orphans_dispatched := vibe._requeue_orphans(state.looked_up_to, part.last_id, at);
    branches_dispatched := vibe._mend_branches(state.looked_up_to, part.last_id, at);
    campaigns_completed := vibe._finish_campaigns(at);
    tasks_created := vibe._add_batches(at);
    backlog_requests := vibe._ask_for_topics(at);
    runs_pruned := vibe._prune_runs(vibe._setting('run_retention'));
    activities_pruned := vibe._prune_activities(vibe._setting('activity_retention'), at);
    notifications_pruned := vibe._prune_notifications(vibe._setting('notification_retention'), at);
    service_calls_pruned := vibe._prune_service_calls(at);
    notifications_queued := vibe._count_told(seen);
    UPDATE vibe.sweep_state s SET swept_at = at, dispatcher_gone_since = state.dispatcher_gone_since, looked_up_to = part.next;
    PERFORM vibe._note_health(at);
    IF stale_locks_released + dispatched_runs_lost + back_offs_ended + orphans_dispatched + branches_dispatched + tasks_created > 0 THEN
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.sweep() IS 'Puts right what was left behind, in short batches, and counts it: hand-held locks not renewed, runs of a dispatcher that stayed away, back-offs that are over, open tasks without work, tasks with branches that are due and lost (a cancelled branch stays so), finished campaigns not marked; tasks of campaigns that were activated in batches, 5000 or one batch; backlog agents asked for topics; notifications that this sweep caused; runs, activities, notifications and service calls older than their retention. Of many open tasks each sweep looks at a quarter for lost work, 5000 at most. swept is false if another sweep was at it. Raises VB022.';
