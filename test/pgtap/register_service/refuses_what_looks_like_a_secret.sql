BEGIN;
SELECT plan(34);

SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L, env_var => %L)', 'a', 'email', v), 'VB030', NULL, 'env_var ' || v)
  FROM unnest(ARRAY['sk-abcdefghijklmnop', 'AKIAIOSFODNN7EXAMPLE', '0123456789ABCDEF0123456789ABCDEF', 'mail_api_key', 'KEY=value', '$KEY', '']) v;
SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L, base_url => %L)', 'a', 'email', v), 'VB030', NULL, 'base_url ' || v)
  FROM unnest(ARRAY['https://user:password@example.com', 'https://token@example.com', 'https://example.com/?api_key=x', 'https://example.com/?a=1&token=x',
                    'file:///etc/passwd', 'https://example.com/a b', 'example.com']) v;
SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L, config => %L)', 'a', 'email', v), 'VB030', NULL, 'config ' || left(v, 60))
  FROM unnest(ARRAY['{"api_key": "x"}', '{"apiKey": "x"}', '{"token": 1234567}', '{"a": {"password": "x"}}', '{"a": [{"client_secret": "x"}]}', '{"key": "x"}',
                    '{"a": "sk-abcdefghijklmnop"}', '{"a": ["ghp_abcdefghijklmnop"]}', '{"header": "Bearer abcdefghijkl"}', '{"bot": "123456789:AAabcdefghijklmnopqrstuvw"}',
                    '{"sk-abcdefghijklmnop": true}', '{"a": "c3VwZXIgc2VjcmV0IHZhbHVlIG9mIG1pbmU5"}', '{"a": "-----BEGIN PRIVATE KEY-----"}',
                    '{"a": "abc_DEF-0123456789_abcdefghijklmnopqrstuvw"}', '[]', '"x"']) v;
SELECT throws_ok($$SELECT * FROM vibe.register_service('a', 'email', use_cases => '{sk-abcdefghijklmnop}')$$, 'VB030', NULL, 'use case');
SELECT lives_ok($$SELECT * FROM vibe.register_service('a', 'email', env_var => 'OPENAI_API_KEY', base_url => 'https://api.example.com/v1?version=2',
    config => '{"max_tokens": 4096, "token_env": "OTHER_TOKEN", "model": "stabilityai/stable-diffusion-xl-base-1.0", "public_key": null, "workspace": "6f1c2b9e-7f55-4d0c-9c43-0c1f5e0a2b11"}')$$, 'what is none is taken');
SELECT is(s.config ->> 'max_tokens', '4096', 'as it was given') FROM vibe.list_services('email') s;
SELECT throws_ok($$SELECT * FROM vibe.register_service('sk-abcdefghijklmnop', 'email')$$, 'VB030', NULL, 'a key as the name');

SELECT * FROM finish();
ROLLBACK;
