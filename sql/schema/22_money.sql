-- Money. What a run costs is told by its agent or computed from prices; what it may cost is reserved before it
-- starts. What ended runs used is counted once, in the transaction that ends them: as an entry of its own, so that
-- no row is written by every step, and entries are merged into totals a few hundred at a time. So no sum reads
-- history, and pruning runs or deleting a task shrinks no budget.

CREATE TABLE vibe.prices (
    model text NOT NULL,
    valid_from timestamptz NOT NULL,
    input_usd numeric NOT NULL,
    output_usd numeric NOT NULL,
    cache_read_usd numeric NOT NULL,
    cache_write_usd numeric NOT NULL,
    PRIMARY KEY (model, valid_from),
    CONSTRAINT model_is_a_name CHECK (model ~ '^[^\x01-\x1f]{1,200}$'),
    CONSTRAINT valid_from_is_a_time CHECK (isfinite(valid_from)),
    CONSTRAINT prices_are_amounts CHECK (
        input_usd BETWEEN 0 AND 1e6 AND output_usd BETWEEN 0 AND 1e6
        AND cache_read_usd BETWEEN 0 AND 1e6 AND cache_write_usd BETWEEN 0 AND 1e6)
);
COMMENT ON TABLE vibe.prices IS 'What a million tokens of a model cost in US dollars, from when on: for agents that report tokens and no cost.';
COMMENT ON COLUMN vibe.prices.model IS 'The model, as steps or agents name it or as the agent reports it.';
COMMENT ON COLUMN vibe.prices.valid_from IS 'Runs claimed from then on, until the next row of the model.';
COMMENT ON COLUMN vibe.prices.input_usd IS 'Per million tokens read, without cached ones.';
COMMENT ON COLUMN vibe.prices.output_usd IS 'Per million tokens written.';
COMMENT ON COLUMN vibe.prices.cache_read_usd IS 'Per million tokens read from a cache.';
COMMENT ON COLUMN vibe.prices.cache_write_usd IS 'Per million tokens written to a cache.';

CREATE TABLE vibe.budgets (
    period text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL DEFAULT '',
    amount_usd numeric NOT NULL,
    PRIMARY KEY (period, scope, key),
    CONSTRAINT period_is_known CHECK (period IN ('day', 'run')),
    CONSTRAINT scope_is_known CHECK (scope IN ('database', 'project', 'agent', 'provider')),
    CONSTRAINT run_budgets_are_of_agents CHECK (period = 'day' OR scope IN ('database', 'agent')),
    CONSTRAINT database_has_no_key CHECK ((scope = 'database') = (key = '')),
    CONSTRAINT amount_is_positive CHECK (amount_usd > 0 AND amount_usd < 1e12)
);
COMMENT ON TABLE vibe.budgets IS 'Ceilings per day (UTC), and what a run may cost where its campaign does not say; those of campaigns and tasks stand in vibe.campaigns.';
COMMENT ON COLUMN vibe.budgets.period IS 'day: all runs claimed on one day, UTC. run: each single run.';
COMMENT ON COLUMN vibe.budgets.scope IS 'database, project, agent or provider.';
COMMENT ON COLUMN vibe.budgets.key IS 'Id of the project, name of the agent or provider; empty for the database.';
COMMENT ON COLUMN vibe.budgets.amount_usd IS 'US dollars.';

CREATE TABLE vibe.budget_crossings (
    name text PRIMARY KEY,
    amount_usd numeric NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE vibe.budget_crossings IS 'Ceilings that were reached and told of; a ceiling is told of again once it was changed and is reached again, one of a day on another day.';
COMMENT ON COLUMN vibe.budget_crossings.name IS 'Which ceiling.';
COMMENT ON COLUMN vibe.budget_crossings.amount_usd IS 'What it was.';
COMMENT ON COLUMN vibe.budget_crossings.day IS 'On which day, UTC.';
COMMENT ON COLUMN vibe.budget_crossings.at IS 'When that was found.';

CREATE TABLE vibe.usage_entries (
    run_id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    agent_name text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    branch text NOT NULL,
    step integer NOT NULL,
    day date NOT NULL,
    unknown_cost_runs integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cost_usd numeric,
    counted_usd numeric NOT NULL,
    tasks_done integer NOT NULL DEFAULT 0,
    score_before numeric,
    score_after numeric,
    scored_agents text[]
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE vibe.usage_entries IS 'What ended runs used and did that is not part of vibe.usage_totals and vibe.agent_results yet: one row per run, a few hundred at most.';
COMMENT ON COLUMN vibe.usage_entries.run_id IS 'The run; it may be pruned.';
COMMENT ON COLUMN vibe.usage_entries.project_id IS 'Its project; 0 for a heartbeat.';
COMMENT ON COLUMN vibe.usage_entries.campaign_id IS 'Its campaign, 0 for none.';
COMMENT ON COLUMN vibe.usage_entries.agent_name IS 'Its agent.';
COMMENT ON COLUMN vibe.usage_entries.provider IS 'Its provider, empty for none.';
COMMENT ON COLUMN vibe.usage_entries.model IS 'Its model, empty for unknown.';
COMMENT ON COLUMN vibe.usage_entries.branch IS 'Its branch, empty for the main line.';
COMMENT ON COLUMN vibe.usage_entries.step IS 'Its step.';
COMMENT ON COLUMN vibe.usage_entries.day IS 'The day of its claim, UTC.';
COMMENT ON COLUMN vibe.usage_entries.unknown_cost_runs IS '1 if it ran and its cost is unknown, else 0.';
COMMENT ON COLUMN vibe.usage_entries.input_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.output_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cache_read_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cache_write_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cost_usd IS 'Its cost; NULL is unknown.';
COMMENT ON COLUMN vibe.usage_entries.counted_usd IS 'What it counts against ceilings: its cost, or its reserve where that is unknown.';
COMMENT ON COLUMN vibe.usage_entries.tasks_done IS '1 if it was done and is its agent''s first such run of the task, else 0.';
COMMENT ON COLUMN vibe.usage_entries.score_before IS 'Done: the score of its task before it.';
COMMENT ON COLUMN vibe.usage_entries.score_after IS 'Done: the score of its task from it on.';
COMMENT ON COLUMN vibe.usage_entries.scored_agents IS 'Where it changed the score: whose done runs came before it, names may repeat.';

CREATE TABLE vibe.usage_totals (
    campaign_id bigint NOT NULL,
    project_id bigint NOT NULL,
    agent_name text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    branch text NOT NULL,
    step integer NOT NULL,
    day date NOT NULL,
    runs bigint NOT NULL,
    unknown_cost_runs bigint NOT NULL,
    input_tokens numeric NOT NULL,
    output_tokens numeric NOT NULL,
    cache_read_tokens numeric NOT NULL,
    cache_write_tokens numeric NOT NULL,
    cost_usd numeric,
    counted_usd numeric NOT NULL,
    PRIMARY KEY (campaign_id, project_id, day, agent_name, provider, model, branch, step)
) WITH (fillfactor = 70);
COMMENT ON TABLE vibe.usage_totals IS 'What ended runs used, added up; with vibe.usage_entries it is all that was ever used, pruned runs and deleted tasks included.';
COMMENT ON COLUMN vibe.usage_totals.campaign_id IS 'The campaign, 0 for none.';
COMMENT ON COLUMN vibe.usage_totals.project_id IS 'The project; 0 for heartbeats.';
COMMENT ON COLUMN vibe.usage_totals.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.usage_totals.provider IS 'The provider, empty for none.';
COMMENT ON COLUMN vibe.usage_totals.model IS 'The model, empty for unknown.';
COMMENT ON COLUMN vibe.usage_totals.branch IS 'The branch, empty for the main line.';
COMMENT ON COLUMN vibe.usage_totals.step IS 'The step.';
COMMENT ON COLUMN vibe.usage_totals.day IS 'The day of the claim, UTC.';
COMMENT ON COLUMN vibe.usage_totals.runs IS 'How many runs.';
COMMENT ON COLUMN vibe.usage_totals.unknown_cost_runs IS 'How many of them ran at an unknown cost.';
COMMENT ON COLUMN vibe.usage_totals.input_tokens IS 'Tokens read, without cached ones.';
COMMENT ON COLUMN vibe.usage_totals.output_tokens IS 'Tokens written.';
COMMENT ON COLUMN vibe.usage_totals.cache_read_tokens IS 'Tokens read from a cache.';
COMMENT ON COLUMN vibe.usage_totals.cache_write_tokens IS 'Tokens written to a cache.';
COMMENT ON COLUMN vibe.usage_totals.cost_usd IS 'The known costs, in US dollars; NULL where none is known.';
COMMENT ON COLUMN vibe.usage_totals.counted_usd IS 'What counts against ceilings: costs, and reserves where a cost is unknown.';

-- Summands, so that whoever changes a sum waits for nobody; merging leaves one row of an agent.
CREATE TABLE vibe.agent_results (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    agent_name text NOT NULL,
    tasks bigint NOT NULL,
    scored_tasks bigint NOT NULL,
    scores numeric NOT NULL
);
COMMENT ON TABLE vibe.agent_results IS 'What agents did, as summands: with vibe.usage_entries and the runs whose process still has to end it is all that was ever done and not replaced, pruned runs and deleted tasks included. A few rows per agent.';
COMMENT ON COLUMN vibe.agent_results.id IS 'Key.';
COMMENT ON COLUMN vibe.agent_results.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_results.tasks IS 'Tasks it did a step of; negative where a revision replaced it.';
COMMENT ON COLUMN vibe.agent_results.scored_tasks IS 'How many of them have a score.';
COMMENT ON COLUMN vibe.agent_results.scores IS 'The sum of these scores.';

SELECT pg_catalog.pg_extension_config_dump('vibe.prices', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.budgets', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.budget_crossings', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.usage_entries', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.usage_totals', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_results', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_results_id_seq', '');
