BEGIN;
SELECT plan(14);

SELECT is(vibe._service_unit(E'0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n'), 'postgresql@15-main.service');
SELECT is(vibe._service_unit(E'12:cpu:/\n1:name=systemd:/system.slice/postgresql.service\n0::/init.scope\n'), 'postgresql.service', 'among several hierarchies');
SELECT is(vibe._service_unit('0::/user.slice/user@1000.service/app.slice/pg.service/sub'), 'pg.service', 'the innermost');
SELECT is(vibe._service_unit(E'0::/\n'), NULL, 'in a container');
SELECT is(vibe._service_unit('0::/x.services'), NULL);
SELECT is(vibe._kill_mode(E'control-group\nprocess\n'), 'process', 'the last one counts');
SELECT is(vibe._kill_mode(E'process\n\n'), 'control-group', 'an empty one takes it back');
SELECT is(vibe._kill_mode(''), 'control-group', 'the default');
SELECT is(vibe._kill_mode(NULL), 'control-group');
SELECT is(vibe._kill_modes('../../etc/passwd') || vibe._kill_modes('.x.service'), NULL, 'what is no unit is not looked for');
SELECT is(vibe._kill_modes('no-such-unit-at-all@1.service'), '');
SELECT set_eq($$SELECT status, check_name FROM vibe._judge_host(1, NULL, 'control-group')$$, $$VALUES ('fail', 'init process'), ('ok', 'restart')$$);
SELECT set_eq($$SELECT status, check_name FROM vibe._judge_host(7, 'postgresql@15-main.service', 'mixed')$$, $$VALUES ('ok', 'init process'), ('warn', 'restart')$$);
SELECT set_eq($$SELECT status, check_name FROM vibe._judge_host(7, 'postgresql@15-main.service', 'process')$$, $$VALUES ('ok', 'init process'), ('ok', 'restart')$$);

SELECT * FROM finish();
ROLLBACK;
