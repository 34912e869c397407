BEGIN;
SELECT plan(3);

SELECT vibe.register_service('any', 'email'), vibe.register_service('bulk', 'email', use_cases => '{newsletter}') \g /dev/null
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email', use_case => 'newsletter')), 'any bulk', 'one that names it is in');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email', use_case => 'alert')), 'any', 'one that names another is not');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'any bulk', 'without one all are');

SELECT * FROM finish();
ROLLBACK;
