BEGIN;
SELECT plan(4);

SELECT is(vibe._missing_services('agent-1'), '{}', 'an agent that uses none');
SELECT vibe.set_agent_services('agent-1', '{email,cms}', '{plagiarism}') \g /dev/null
SELECT is(vibe._missing_services('agent-1'), '{cms,email}', 'required ones only');
SELECT vibe.register_service('a', 'email'), vibe.register_service('b', 'cms') \g /dev/null
SELECT is(vibe._missing_services('agent-1'), '{}', 'all there');
SELECT vibe.set_service_active('a', false) \g /dev/null
SELECT is(vibe._missing_services('agent-1'), '{email}', 'an inactive one does not count');

SELECT * FROM finish();
ROLLBACK;
