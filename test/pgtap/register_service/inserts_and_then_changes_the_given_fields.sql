BEGIN;
SELECT plan(5);

SELECT is(s.priority || '|' || s.env_var || '|' || s.is_active || '|' || s.health, '1|MAIL_API_KEY|true|ok', 'a new one is active and comes last')
  FROM vibe.register_service('mine', 'email', env_var => 'MAIL_API_KEY') s;
SELECT is(s.priority, 2, 'the next comes after it') FROM vibe.register_service('other', 'email') s;
SELECT is(s.env_var || '|' || s.base_url || '|' || s.config::text, 'MAIL_API_KEY|https://mail.example.com/v1|{"region": "eu"}', 'what is not given stays')
  FROM vibe.register_service('mine', 'email', base_url => 'https://mail.example.com/v1', config => '{"region": "eu"}') s;
SELECT is(s.priority, 1, 'also its place') FROM vibe.list_services('email') s WHERE s.name = 'mine';
SELECT is((SELECT count(*) FROM vibe.services WHERE name = 'mine'), 1::bigint, 'one service');

SELECT * FROM finish();
ROLLBACK;
