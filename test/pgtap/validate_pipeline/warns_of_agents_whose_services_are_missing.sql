BEGIN;
SELECT plan(3);

SELECT vibe.require_service('agent-1', 'seo_keywords') \g /dev/null
SELECT is(t.problems(t.definition(2), 'warning'), 'missing_services', 'nothing serves what the agent requires');
SELECT matches(message, 'agent-1.*seo_keywords', 'and it says which') FROM vibe.validate_pipeline(t.definition(2)) WHERE code = 'missing_services';
SELECT vibe.register_service('keywords', 'seo_keywords') \g /dev/null
SELECT is(t.problems(t.definition(2), 'warning'), NULL, 'once there is one all is well');

SELECT * FROM finish();
ROLLBACK;
