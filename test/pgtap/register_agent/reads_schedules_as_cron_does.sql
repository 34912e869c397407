BEGIN;
SELECT plan(2);

SELECT is_empty($$SELECT s FROM unnest(ARRAY['* * * * *', '*/10 * * * *', '0 0 1 1 0', '59 23 31 12 7', '0-30/5,45 1,2,3 1-5 jan-mar,DEC sun', '0 12 * * Mon-Fri']) s
    WHERE NOT vibe._is_cron_schedule(s)$$, 'right');
SELECT is_empty($$SELECT s FROM unnest(ARRAY['', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 13 *', '* * * 0 *', '* * * * 8', '5/10 * * * *',
    '*/0 * * * *', '30-10 * * * *', 'x * * * *', '1, * * * *', '-1 * * * *', '* * * mon *', '@hourly', '*; rm * * * *', '* *  * * *', '1-2-3 * * * *', '** * * * *']) s
    WHERE vibe._is_cron_schedule(s)$$, 'wrong');

SELECT * FROM finish();
ROLLBACK;
