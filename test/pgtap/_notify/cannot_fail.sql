BEGIN;
SELECT plan(3);

-- Whatever a cause has to tell: unknown, too long, or nothing.
SELECT is(vibe._notify('no_such', 'x'), NULL, 'an unknown kind is nothing');
SELECT isnt(vibe._notify('task_blocked', repeat('x', 100000), NULL, 0, 0, 0, 0, repeat('y', 100000), repeat('z', 100000)), NULL, 'what is too long');
SELECT isnt(vibe._notify('task_blocked', NULL), NULL, 'no message');

SELECT * FROM finish();
ROLLBACK;
