BEGIN;
SELECT plan(8);

SELECT is(c.is_preset, false, 'a new one is yours') FROM vibe.register_service_category('translation', 'Translates.') c;
SELECT is(c.description, 'Translates well.', 'and can be changed') FROM vibe.register_service_category('translation', 'Translates well.') c;
SELECT lives_ok($$SELECT * FROM vibe.register_service('mine', 'translation')$$, 'services can have it');
SELECT is(c.services || ' ' || c.active_services, '1 1', 'and are counted') FROM vibe.list_service_categories() c WHERE c.name = 'translation';
SELECT throws_ok($$SELECT * FROM vibe.register_service_category('email', 'x')$$, 'VB032', NULL, 'one that came with the extension stays');
SELECT throws_ok($$SELECT * FROM vibe.register_service_category('Two Words', 'x')$$, 'VB030', NULL, 'name');
SELECT throws_ok($$SELECT * FROM vibe.register_service_category('x', ' ')$$, 'VB030', NULL, 'description');
SELECT set_eq('SELECT name FROM vibe.list_service_categories() WHERE is_preset', ARRAY['seo_keywords', 'serp_tracking', 'web_scraping', 'image_generation',
    'video_generation', 'social_scraping', 'email', 'cms', 'plagiarism', 'notifications'], 'the usual ones are there');

SELECT * FROM finish();
ROLLBACK;
