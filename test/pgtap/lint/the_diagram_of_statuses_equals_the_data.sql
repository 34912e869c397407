BEGIN;
SELECT plan(2);

\set diagram `sed -n '/diagram:begin/,/diagram:end/p' sql/schema/30_transitions.sql`
CREATE TEMP TABLE line AS SELECT trim(m[1]) AS word, m[2] AS sign, string_to_array(replace(m[3], ' ', ''), '|') AS words
    FROM regexp_split_to_table(:'diagram', E'\n') l, regexp_matches(l, '^--\s+(\w+)\s+(->|=)\s*(.*)$') m;
SELECT cmp_ok((SELECT count(*) FROM line), '>', 5::bigint, 'the diagram was read');
CREATE TEMP VIEW drawn AS
    WITH working AS (SELECT unnest(words) AS status FROM line WHERE sign = '='),
         arrow AS (SELECT word, unnest(words) AS target FROM line WHERE sign = '->')
    SELECT coalesce(f.status, a.word) AS from_status, coalesce(g.status, a.target) AS to_status
      FROM arrow a LEFT JOIN working f ON a.word = 'working' LEFT JOIN working g ON a.target = 'working'
     WHERE coalesce(f.status, a.word) <> coalesce(g.status, a.target);
SELECT set_eq('SELECT from_status, to_status FROM vibe.task_transitions WHERE is_preset', 'SELECT * FROM drawn', 'every arrow is a row, every row an arrow');

SELECT * FROM finish();
ROLLBACK;
