package VibeCatalogue;

# All that CREATE EXTENSION leaves in a database, as lines of text that two databases can be compared by: the
# objects with their definitions, rights and comments, what a dump leaves out or takes, and the rows that came along.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(catalogue);

# Rights in an order of their own: their place in the list depends on the order of the GRANTs. Those that came with
# the extension (init) decide what pg_dump writes.
my $rights = q{
    CREATE FUNCTION pg_temp.rights(acl aclitem[], otherwise aclitem[]) RETURNS text LANGUAGE sql AS $$
        SELECT string_agg(format('%s:%s%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                                 a.privilege_type, CASE WHEN a.is_grantable THEN '*' ELSE '' END), ' '
                          ORDER BY a.grantee::regrole::text, a.privilege_type)
          FROM aclexplode(coalesce(acl, otherwise)) a
    $$;
    CREATE FUNCTION pg_temp.init_rights(class regclass, object oid, sub integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
        SELECT pg_temp.rights(i.initprivs, NULL) FROM pg_init_privs i
         WHERE i.classoid = class AND i.objoid = object AND i.objsubid = sub
    $$;
};

# Some servers put a number of their own, which differs each time, among a column's options: pg_attver.
my $objects = q{
    WITH ext AS (SELECT * FROM pg_extension WHERE extname = 'vibe_orchestrator'),
    space AS (SELECT 'vibe'::regnamespace::oid AS oid),
    rel AS (SELECT c.* FROM pg_class c, space WHERE c.relnamespace = space.oid),
    col AS (SELECT rel.oid::regclass AS rel, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS place, a.*
              FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE rel.relkind <> 'i')
    SELECT concat_ws(' | ', 'extension', e.extversion, e.extnamespace::regnamespace, e.extrelocatable, obj_description(e.oid, 'pg_extension')) FROM ext e
    UNION ALL
    SELECT concat_ws(' | ', 'schema', pg_temp.rights(n.nspacl, acldefault('n', n.nspowner)), pg_temp.init_rights('pg_namespace', n.oid), obj_description(n.oid, 'pg_namespace'))
      FROM pg_namespace n JOIN space USING (oid)
    UNION ALL
    SELECT concat_ws(' | ', 'member', i.type, i.identity)
      FROM ext e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e',
           pg_identify_object(d.classid, d.objid, d.objsubid) i
    UNION ALL
    SELECT concat_ws(' | ', 'dumped', o::regclass, cond)
      FROM ext e, unnest(e.extconfig, e.extcondition) u(o, cond)
    UNION ALL
    SELECT concat_ws(' | ', 'function', p.oid::regprocedure, pg_get_functiondef(p.oid), pg_temp.rights(p.proacl, acldefault('f', p.proowner)),
                     pg_temp.init_rights('pg_proc', p.oid), obj_description(p.oid, 'pg_proc'))
      FROM pg_proc p JOIN space ON space.oid = p.pronamespace
    UNION ALL
    SELECT concat_ws(' | ', 'relation', r.oid::regclass, r.relkind, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity, r.relreplident, r.reloptions,
                     pg_temp.rights(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner)),
                     pg_temp.init_rights('pg_class', r.oid), obj_description(r.oid, 'pg_class'))
      FROM rel r WHERE r.relkind <> 'i'
    UNION ALL
    SELECT concat_ws(' | ', 'column', c.rel, c.place, c.attname, format_type(c.atttypid, c.atttypmod), c.attnotnull, c.attidentity, c.attgenerated,
                     c.attstorage, c.attcompression, c.attcollation::regcollation,
                     (SELECT array_agg(o ORDER BY o) FROM unnest(c.attoptions) o WHERE o NOT LIKE 'pg\_%'), pg_get_expr(d.adbin, d.adrelid), pg_temp.rights(c.attacl, NULL),
                     pg_temp.init_rights('pg_class', c.attrelid, c.attnum), col_description(c.attrelid, c.attnum))
      FROM col c LEFT JOIN pg_attrdef d ON d.adrelid = c.attrelid AND d.adnum = c.attnum
    UNION ALL
    SELECT concat_ws(' | ', 'constraint', x.conrelid::regclass, x.contypid::regtype, x.conname, pg_get_constraintdef(x.oid), x.convalidated, obj_description(x.oid, 'pg_constraint'))
      FROM pg_constraint x JOIN space ON space.oid = x.connamespace
    UNION ALL
    SELECT concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident, obj_description(i.indexrelid, 'pg_class'))
      FROM rel JOIN pg_index i ON i.indrelid = rel.oid WHERE rel.relkind = 'r'
    UNION ALL
    SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(g.oid), g.tgenabled, obj_description(g.oid, 'pg_trigger'))
      FROM rel JOIN pg_trigger g ON g.tgrelid = rel.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT concat_ws(' | ', 'rule', r.oid::regclass, pg_get_ruledef(w.oid))
      FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
    UNION ALL
    SELECT concat_ws(' | ', 'policy', r.oid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, r.oid), pg_get_expr(p.polwithcheck, r.oid))
      FROM rel r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT concat_ws(' | ', 'sequence', s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
      FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid
    UNION ALL
    SELECT concat_ws(' | ', 'type', y.oid::regtype, y.typtype, format_type(y.typbasetype, y.typtypmod), y.typnotnull, y.typdefault,
                     (SELECT array_agg(v.enumlabel ORDER BY v.enumsortorder) FROM pg_enum v WHERE v.enumtypid = y.oid),
                     pg_temp.rights(y.typacl, acldefault('T', y.typowner)), obj_description(y.oid, 'pg_type'))
      FROM pg_type y JOIN space ON space.oid = y.typnamespace
};

# Rows that came along are all those that a dump leaves out; when they came is not theirs.
my $seeded = q{
    SELECT format('SELECT %L || (to_jsonb(r) - ''created_at'')::text FROM %s r WHERE (%s) IS NOT TRUE', c.oid::regclass || ' | ', c.oid::regclass,
                  coalesce(regexp_replace(nullif(d.condition, ''), '^\s*WHERE\s+', '', 'i'), (d.rel IS NOT NULL)::text))
      FROM pg_class c
      LEFT JOIN (SELECT u.* FROM pg_extension e, unnest(e.extconfig, e.extcondition) u(rel, condition) WHERE e.extname = 'vibe_orchestrator') d ON d.rel = c.oid
     WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r'
     ORDER BY c.relname
};

# The lines, sorted.
sub catalogue
{
	my ($node, $db) = @_;
	my $settings = "SET search_path = pg_catalog; SET client_min_messages = warning;\n$rights\n";
	# one object may take several lines
	my @lines = split /\x1e/,
	  $node->safe_psql($db, "$settings SELECT string_agg(line, E'\\x1e') FROM ($objects) o(line)");

	push @lines, split /\n/, $node->safe_psql($db, $_)
	  foreach split /\n/, $node->safe_psql($db, $seeded);
	return [ sort @lines ];
}

1;
