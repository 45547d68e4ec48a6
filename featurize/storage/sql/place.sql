-- The folder that the views read: where catalog.duckdb lies, if that is the database that was opened (its default
-- temp_directory tells); else where they were written for.
CREATE OR REPLACE MACRO store_place() AS
    CASE WHEN ends_with(current_setting('temp_directory'), '/catalog.duckdb.tmp')
         THEN parse_dirpath(current_setting('temp_directory')) ELSE $written_for END;

-- The same for a glob, in which * ? and [ must stand for themselves.
CREATE OR REPLACE MACRO store_folder() AS regexp_replace(store_place(), '([*?\[])', '[\1]', 'g');

-- True, or an error where the rows would be those of another store: a moved catalog.duckdb that is attached, or one that is
-- attached beside another.
CREATE OR REPLACE MACRO store_is_here() AS (
    SELECT CASE
        WHEN count(*) = 0 THEN true
        WHEN store_place() = $written_for AND bool_or(path = $written_for || '/catalog.duckdb') THEN true
        WHEN store_place() <> $written_for AND count(*) = 1 THEN true
        ELSE error(
            'these views were written for the store at ' || $written_for || ', and it cannot be told whether that is the one '
            || 'that is open here: open its catalog.duckdb by itself, or run `make sql` on the store to write them again'
        )
    END
    FROM duckdb_databases()
    WHERE ends_with(path, '/catalog.duckdb')
);
