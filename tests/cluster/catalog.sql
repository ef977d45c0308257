-- One line for each fact about an object that is not PostgreSQL's own. Run with search_path = pg_catalog.
WITH
user_schema AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
relation AS (
    SELECT c.*, c.oid::regclass AS name FROM pg_class c JOIN user_schema s ON s.oid = c.relnamespace
),
routine AS (
    SELECT p.*, p.oid::regprocedure AS name FROM pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
),
-- Not the row types and array types that come with a relation or another type.
named_type AS (
    SELECT t.*, t.oid::regtype AS name FROM pg_type t JOIN user_schema s ON s.oid = t.typnamespace
     WHERE t.typelem = 0 AND (t.typrelid = 0 OR t.typrelid IN (SELECT oid FROM relation WHERE relkind = 'c'))
),
extension_member AS (
    SELECT e.extname, d.deptype, d.classid, d.objid, identity.type, identity.identity
      FROM pg_depend d
      JOIN pg_extension e ON e.oid = d.refobjid
      CROSS JOIN pg_identify_object(d.classid, d.objid, d.objsubid) AS identity
     WHERE d.refclassid = 'pg_extension'::regclass AND e.extname <> 'plpgsql'
),
-- An ACL that was never set means the default one.
acl (object, acl) AS (
    SELECT format('schema %I', nspname), coalesce(nspacl, acldefault('n', nspowner)) FROM user_schema
    UNION ALL
    SELECT format('relation %s', name),
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, relowner))
      FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT format('column %s.%I', name, attname), attacl FROM relation JOIN pg_attribute ON attrelid = relation.oid
    UNION ALL
    SELECT format('type %s', name), coalesce(typacl, acldefault('T', typowner)) FROM named_type
    UNION ALL
    SELECT format('function %s', name), coalesce(proacl, acldefault('f', proowner)) FROM routine
    UNION ALL
    -- What pg_dump takes as given when it dumps the grants on an extension's members.
    SELECT format('new %s %s', type, identity), initprivs
      FROM pg_init_privs JOIN extension_member ON (classid, objid) = (classoid, objoid) AND deptype = 'e'
    UNION ALL
    SELECT format('every new object of kind %s of %s in %s', defaclobjtype, defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace),
           defaclacl FROM pg_default_acl
)
SELECT format('extension %I %s: schema %s, owner %s, configuration %s',
              extname, extversion, extnamespace::regnamespace, extowner::regrole, extconfig)
  FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL
SELECT format('extension %I: %s dependency of %s %s', extname, deptype, type, identity) FROM extension_member
UNION ALL
SELECT format('grant on %s: %s to %s by %s%s', object, privilege_type,
              CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, grantor::regrole,
              CASE WHEN is_grantable THEN ' with grant option' END)
  FROM acl, aclexplode(acl.acl)
UNION ALL
SELECT format('schema %I: owner %s', nspname, nspowner::regrole) FROM user_schema
UNION ALL
SELECT format('relation %s: kind %s, owner %s, method %s, persistence %s, row security %s, forced %s, replica identity %s, options %s, view %s',
              name, relkind, relowner::regrole, (SELECT amname FROM pg_am WHERE oid = relam), relpersistence,
              relrowsecurity, relforcerowsecurity, relreplident, reloptions,
              CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
  FROM relation WHERE relkind <> 'i'
UNION ALL
SELECT format('relation %s inherits %s (%s)', inhrelid::regclass, inhparent::regclass, inhseqno)
  FROM pg_inherits JOIN relation ON oid = inhrelid
UNION ALL
-- The place counts the columns that are left, not those that were dropped. The option pg_attver is the server's own
-- mark on each new column, which pg_dump leaves out too.
SELECT format('column %s.%I: place %s, type %s, collation %s, not null %s, identity %s, generated %s, default %s, storage %s, compression %s, statistics %s, options %s',
              name, attname, row_number() OVER (PARTITION BY attrelid ORDER BY attnum), format_type(atttypid, atttypmod),
              nullif(attcollation, 0)::regcollation, attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid),
              attstorage, attcompression, coalesce(attstattarget, -1),
              (SELECT array_agg(option) FROM unnest(attoptions) AS option WHERE option !~ '^pg_attver='))
  FROM relation
  JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
 WHERE relkind <> 'i'
UNION ALL
SELECT format('constraint %I on %s: %s, validated %s, inherited %s %s',
              conname, coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
              pg_get_constraintdef(c.oid), convalidated, conislocal, coninhcount)
  FROM pg_constraint c JOIN user_schema s ON s.oid = c.connamespace
UNION ALL
SELECT format('index %s: %s, owner %s, valid %s, ready %s, clustered %s, replica identity %s, options %s',
              name, pg_get_indexdef(indexrelid), relowner::regrole, indisvalid, indisready, indisclustered, indisreplident, reloptions)
  FROM relation JOIN pg_index ON indexrelid = oid
UNION ALL
-- A foreign key's own triggers have no lasting names, but they can be disabled.
SELECT format('trigger %s: %s, enabled %s',
              CASE WHEN tgisinternal THEN format('of constraint %I', conname) ELSE quote_ident(tgname) END,
              CASE WHEN tgisinternal THEN format('%s on %s', tgfoid::regproc, name) ELSE pg_get_triggerdef(t.oid) END,
              tgenabled)
  FROM relation
  JOIN pg_trigger t ON tgrelid = relation.oid
  LEFT JOIN pg_constraint c ON c.oid = tgconstraint
UNION ALL
SELECT format('policy %I on %s: permissive %s, command %s, roles %s, using %s, check %s',
              polname, name, polpermissive, polcmd,
              (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', ' ORDER BY role::regrole::text)
                 FROM unnest(polroles) role),
              pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
  FROM relation JOIN pg_policy ON polrelid = relation.oid
UNION ALL
SELECT format('rule on %s: %s, enabled %s', name, pg_get_ruledef(r.oid), ev_enabled)
  FROM relation JOIN pg_rewrite r ON ev_class = relation.oid
 WHERE rulename <> '_RETURN'
UNION ALL
SELECT format('statistics %s, owner %s', pg_get_statisticsobjdef(t.oid), stxowner::regrole)
  FROM pg_statistic_ext t JOIN user_schema s ON s.oid = t.stxnamespace
UNION ALL
SELECT format('sequence %s: %s %s..%s by %s from %s cache %s cycle %s',
              seqrelid::regclass, seqtypid::regtype, seqmin, seqmax, seqincrement, seqstart, seqcache, seqcycle)
  FROM pg_sequence
UNION ALL
SELECT format('type %s: kind %s, owner %s, base %s, collation %s, not null %s, default %s, labels %s',
              name, typtype, typowner::regrole, format_type(nullif(typbasetype, 0), typtypmod),
              nullif(typcollation, 0)::regcollation, typnotnull, typdefault,
              (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = named_type.oid))
  FROM named_type
UNION ALL
SELECT format('function %I.%I(%s): kind %s, returns %s, owner %s, language %s, volatility %s, parallel %s, strict %s, leakproof %s, definer %s, cost %s, rows %s, support %s, settings %s, library %s, body %s',
              pronamespace::regnamespace, proname, pg_get_function_arguments(r.oid), prokind, pg_get_function_result(r.oid),
              proowner::regrole, lanname, provolatile, proparallel, proisstrict, proleakproof, prosecdef, procost, prorows,
              prosupport, proconfig, probin, coalesce(pg_get_function_sqlbody(r.oid), prosrc))
  FROM routine r JOIN pg_language l ON l.oid = prolang
UNION ALL
SELECT format('event trigger %I: on %s, calls %s, owner %s, enabled %s, tags %s',
              evtname, evtevent, evtfoid::regproc, evtowner::regrole, evtenabled, evttags)
  FROM pg_event_trigger
UNION ALL
SELECT format('object: %s %s', type, identity)
  FROM (SELECT tableoid, oid FROM pg_operator UNION ALL SELECT tableoid, oid FROM pg_cast
        UNION ALL SELECT tableoid, oid FROM pg_opclass UNION ALL SELECT tableoid, oid FROM pg_opfamily
        UNION ALL SELECT tableoid, oid FROM pg_collation UNION ALL SELECT tableoid, oid FROM pg_language
        UNION ALL SELECT tableoid, oid FROM pg_ts_config UNION ALL SELECT tableoid, oid FROM pg_ts_dict
        UNION ALL SELECT tableoid, oid FROM pg_foreign_server UNION ALL SELECT tableoid, oid FROM pg_publication
        UNION ALL SELECT tableoid, oid FROM pg_publication_rel) AS object,
       pg_identify_object(tableoid, oid, 0)
 WHERE oid >= 16384 -- below are PostgreSQL's own
UNION ALL
SELECT format('comment on %s %s: %s', type, identity, description)
  FROM pg_description, pg_identify_object(classoid, objoid, objsubid)
 WHERE objoid >= 16384
