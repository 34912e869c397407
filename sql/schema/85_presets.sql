-- The agents and pipelines that come with the extension. They carry reserved keys and are left out of dumps;
-- what a user changes on an agent stands in vibe.agent_overrides.

INSERT INTO vibe.agents (name, level, default_model, description, is_preset, created_at)
SELECT v.name, v.level, v.model, v.description, true, now()
  FROM (VALUES
    ('vibe-orchestrator', 'orchestrator', 'sonnet', 'Looks after the pipelines: health, stuck work, backlog.'),
    ('vibe-keyword-researcher', 'specialist', 'sonnet', 'Researches keywords and topics and writes content briefs.'),
    ('vibe-serp-analyzer', 'specialist', 'sonnet', 'Analyses the search results that a text competes with.'),
    ('vibe-content-writer', 'specialist', 'sonnet', 'Writes articles from a brief.'),
    ('vibe-content-reviewer', 'specialist', 'sonnet', 'Reviews drafts and sends weak ones back.'),
    ('vibe-humanizer', 'specialist', 'opus', 'Gives a reviewed text a natural voice.'),
    ('vibe-image-director', 'specialist', 'sonnet', 'Directs the images of an article.'),
    ('vibe-social-writer', 'specialist', 'sonnet', 'Writes posts for social networks.'),
    ('vibe-content-repurposer', 'specialist', 'sonnet', 'Turns an article into other formats.'),
    ('vibe-landing-page-writer', 'specialist', 'opus', 'Writes landing pages.'),
    ('vibe-email-writer', 'specialist', 'sonnet', 'Writes e-mail sequences.'),
    ('vibe-ad-writer', 'specialist', 'sonnet', 'Writes sets of advertisements.'),
    ('vibe-audience-researcher', 'specialist', 'opus', 'Finds and describes audiences.'),
    ('vibe-audience-enricher', 'specialist', 'sonnet', 'Adds detail to audience profiles.')
  ) v(name, level, model, description);

UPDATE vibe.agents SET heartbeat_schedule = '*/10 * * * *', skill_path = vibe._share_directory() || '/vibe_orchestrator/skills/vibe-orchestrator'
 WHERE name = 'vibe-orchestrator';

CREATE FUNCTION vibe._install_preset(key bigint, slug text, name text, category text, description text, definition jsonb)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.validate_pipeline(definition) v WHERE v.level = 'error') THEN
        RAISE EXCEPTION 'preset pipeline % is invalid', slug;
    END IF;
    INSERT INTO vibe.pipelines (id, slug, name, category, description, is_preset, created_at)
    VALUES (key, slug, name, category, description, true, now());
    INSERT INTO vibe.pipeline_versions (id, pipeline_id, number, definition, convergence_step, on_complete, created_at)
    VALUES (key, key, 1, definition, (definition ->> 'convergence_step')::integer, coalesce(definition -> 'on_complete', '{}'), now());
    INSERT INTO vibe.pipeline_steps (pipeline_version_id, branch, step, label, agent_name, model, description,
                                     output_dir, timeout, max_attempts, gate, trigger_after_step, deliverable)
    SELECT key, s.branch, s.step, s.label, s.agent_name, s.model, s.description,
           s.output_dir, s.timeout, s.max_attempts, s.gate, s.trigger_after_step, s.deliverable
      FROM vibe._definition_steps(definition) s;
    RETURN key;
END
$$;
COMMENT ON FUNCTION vibe._install_preset(bigint, text, text, text, text, jsonb) IS 'Adds a pipeline that comes with the extension.';

SELECT vibe._install_preset(1, 'research-only', 'Research only', 'research', 'Keyword research and an analysis of the search results.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-serp-analyzer", "model": "sonnet", "label": "SERP Analysis", "output_dir": "research"}]}');

SELECT vibe._install_preset(2, 'content-draft', 'Content draft', 'content', 'An article from keyword to final text.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "on_complete": {"summary": true}}');

SELECT vibe._install_preset(3, 'full-content-production', 'Full content production', 'content', 'An article with its image, social posts and e-mail excerpt.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "parallel_branches": [
        {"trigger_after_step": 3, "agent": "vibe-image-director", "model": "sonnet", "label": "Hero Image", "deliverable": "heroImage"},
        {"trigger_after_step": 3, "agent": "vibe-social-writer", "model": "sonnet", "label": "Social Posts", "deliverable": "socialX"},
        {"trigger_after_step": 3, "agent": "vibe-content-repurposer", "model": "sonnet", "label": "Email Excerpt", "deliverable": "emailExcerpt"}],
    "convergence_step": 5,
    "on_complete": {"telegram": true, "summary": true, "generate_manifest": true}}');

SELECT vibe._install_preset(4, 'launch-package', 'Launch package', 'launch', 'An article, its media, and a landing page, e-mails and advertisements to launch with.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "parallel_branches": [
        {"trigger_after_step": 2, "agent": "vibe-landing-page-writer", "model": "opus", "label": "Landing Page", "deliverable": "landingPage"},
        {"trigger_after_step": 2, "agent": "vibe-email-writer", "model": "sonnet", "label": "Email Sequence", "deliverable": "emailSequence"},
        {"trigger_after_step": 2, "agent": "vibe-ad-writer", "model": "sonnet", "label": "Ad Copy Set", "deliverable": "adCopySet"},
        {"trigger_after_step": 3, "agent": "vibe-image-director", "model": "sonnet", "label": "Hero Image", "deliverable": "heroImage"},
        {"trigger_after_step": 3, "agent": "vibe-social-writer", "model": "sonnet", "label": "Social Posts", "deliverable": "socialX"},
        {"trigger_after_step": 3, "agent": "vibe-content-repurposer", "model": "sonnet", "label": "Email Excerpt", "deliverable": "emailExcerpt"}],
    "convergence_step": 5,
    "on_complete": {"telegram": true, "summary": true, "generate_manifest": true}}');

SELECT vibe._install_preset(5, 'audience-discovery', 'Audience discovery', 'audience', 'Finds audiences and enriches their profiles.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-audience-researcher", "model": "opus", "label": "Research Audiences", "output_dir": "research"},
        {"order": 2, "agent": "vibe-audience-enricher", "model": "sonnet", "label": "Enrich Profiles", "output_dir": "research"}]}');

DROP FUNCTION vibe._install_preset(bigint, text, text, text, text, jsonb);
