BEGIN;
SELECT plan(2);

SELECT is(string_agg(slug, ' '), 'research-only content-draft full-content-production launch-package audience-discovery') FROM vibe.list_preset_pipelines();
SELECT is(version || '|' || main_steps || '|' || branches || '|' || category, '1|6|3|content') FROM vibe.list_preset_pipelines() WHERE slug = 'full-content-production';

SELECT * FROM finish();
ROLLBACK;
