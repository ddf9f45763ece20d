import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * The versions of the database, oldest first. A released one is never changed: what a later version needs is a new entry.
 *
 * `ex10_write` makes the changes of one partition in one step, under the partition's lock, and returns false, having changed
 * nothing, when a record does not have the revision that a change expects. `-1` expects none.
 */
export const MIGRATIONS: Record<string, Migration> = {
  '2026-11-records': {
    async up (db: Kysely<unknown>) {
      await sql`CREATE TABLE records (
        partition text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        revision integer NOT NULL,
        expires_at timestamptz,
        value bytea NOT NULL,
        PRIMARY KEY (partition, key)
      )`.execute(db)
      await sql`CREATE INDEX records_ending ON records (expires_at) WHERE expires_at IS NOT NULL`.execute(db)
      await sql`CREATE FUNCTION ex10_write (its_partition text, keys text[], expected integer[], ends timestamptz[], new_values bytea[]) RETURNS boolean
        LANGUAGE plpgsql AS $$
        DECLARE
          present integer;
        BEGIN
          PERFORM pg_advisory_xact_lock(hashtextextended(its_partition, 10));
          FOR i IN 1 .. cardinality(keys) LOOP
            SELECT revision INTO present FROM records
              WHERE partition = its_partition AND key = keys[i] AND (expires_at IS NULL OR expires_at > clock_timestamp());
            present := coalesce(present, 0);
            IF expected[i] >= 0 AND expected[i] <> present THEN
              RAISE EXCEPTION USING ERRCODE = 'EX001', MESSAGE = 'another revision';
            END IF;
            IF new_values[i] IS NULL THEN
              DELETE FROM records WHERE partition = its_partition AND key = keys[i];
            ELSE
              INSERT INTO records VALUES (its_partition, keys[i], present + 1, ends[i], new_values[i])
                ON CONFLICT (partition, key) DO UPDATE SET revision = excluded.revision, expires_at = excluded.expires_at, value = excluded.value;
            END IF;
          END LOOP;
          RETURN true;
        EXCEPTION WHEN SQLSTATE 'EX001' THEN
          RETURN false;
        END $$`.execute(db)
    }
  }
}
