// The function by which PostgresStore commits a batch, made when a schema is brought up to date. Private to this
// folder.
//
// One call is one transaction. It locks in an order that all batches share, so that no two of them wait for each
// other: task rows by (group, partition), aggregates by (kind, key), requests by (id, caller, method), kept records by
// id, the arrays sorted by the caller. Index entries belong to an aggregate that is locked, outbox rows and timers to a
// task. All it does before it knows of every conflict is undone by the exception block when there is one, and
// the server's log hears nothing of it, as it would of an error.
#pragma once

namespace tradewind::store {

// How an aggregate is written. A row that is made carries the commit's new version; one that must be there already is
// put in as -expected. Where the key exists, the row is changed only if it has the version expected, looked at again
// once it is locked, whoever held it. So afterwards exactly the writes that went well carry the new version: a key that
// was missing carries a negative one, one that had another version keeps that.
//
// What was only read is put in as version 0, which no row has: its row is locked in its turn and left as it is, and
// whether it still has the version expected is looked up once all rows are locked. One that must not exist comes as one
// that is removed.
//
// One statement for what is new, changed and removed keeps the locks in one order, and ON CONFLICT goes by the unique
// index whatever the planner believes of the table. Removing is writing no value, then deleting what has none.
//
// The long keys come in arrays of their own, which are as long as the others or empty: unnest fills up with nulls.
inline constexpr const char* kCommitBatchSql = R"sql(
CREATE FUNCTION commit_batch_5(
  p_task_group bytea[], p_task_partition integer[], p_task_epoch bigint[], p_task_sequence bigint[],
  p_task_new_sequence bigint[], p_task_progress bytea[], p_task_outbox bytea[], p_task_acknowledged bigint[],
  p_aggregate_kind integer[], p_aggregate_key bytea[], p_aggregate_version bigint[], p_aggregate_value bytea[],
  p_removed_index integer[], p_removed_value bytea[], p_removed_order bigint[], p_removed_key bytea[],
  p_added_index integer[], p_added_value bytea[], p_added_order bigint[], p_added_key bytea[],
  p_request_id bytea[], p_request_caller bytea[], p_request_method integer[], p_request_hash bytea[],
  p_request_reply bytea[], p_now_ms bigint,
  p_kept_group bytea[], p_kept_partition integer[], p_kept_state integer[], p_kept_key bytea[], p_kept_source bytea[],
  p_kept_type bytea[], p_kept_reason bytea[], p_kept_record bytea[], p_kept_queued integer[], p_kept_attempts integer[],
  p_kept_due_ms bigint[],
  p_updated_id bigint[], p_updated_state integer[], p_updated_reason bytea[], p_updated_attempts integer[],
  p_updated_due_ms bigint[], p_kept_removed bigint[],
  p_stopped_group bytea[], p_stopped_partition integer[], p_stopped_key bytea[], p_stopped_name bytea[],
  p_timer_group bytea[], p_timer_partition integer[], p_timer_key bytea[], p_timer_name bytea[],
  p_timer_due_ms bigint[], p_timer_record bytea[],
  p_has_doubles boolean,
  p_aggregate_long_key bytea[], p_kept_long_key bytea[], p_timer_long_key bytea[],
  p_task_ends_takes integer[], p_aggregate_only_read integer[], p_kept_place integer[], p_updated_carried_out integer[],
  p_request_group integer[], p_request_partition integer[],
  OUT new_version bigint, OUT fenced bigint[], OUT aggregate_conflicts bigint[], OUT request_conflicts bigint[],
  OUT kept_ids bigint[])
LANGUAGE plpgsql AS $body$
DECLARE
  t record;
  done bigint;
  places tid[];
BEGIN
  new_version := 0;
  fenced := '{}';
  aggregate_conflicts := '{}';
  request_conflicts := '{}';
  kept_ids := '{}';

  FOR t IN
    SELECT * FROM unnest(p_task_group, p_task_partition, p_task_epoch, p_task_sequence, p_task_new_sequence,
                         p_task_progress, p_task_ends_takes) WITH ORDINALITY
      AS w ("group", partition, epoch, sequence, new_sequence, progress, ends_takes, place) ORDER BY place
  LOOP
    UPDATE task SET emit_sequence = t.new_sequence, progress = t.progress,
                    takes = CASE WHEN t.ends_takes <> 0 THEN 0 ELSE takes END
      WHERE "group" = t."group" AND partition = t.partition AND epoch = t.epoch AND emit_sequence = t.sequence;
    IF NOT FOUND THEN fenced := fenced || t.place; END IF;
  END LOOP;
  IF cardinality(fenced) > 0 THEN RAISE SQLSTATE 'TW001'; END IF;

  IF cardinality(p_aggregate_key) > 0 THEN
    new_version := nextval('version');
    WITH written AS (
      INSERT INTO aggregate AS a (kind, key, version, value, long_key)
        SELECT w.kind, w.key,
               CASE WHEN w.only_read <> 0 THEN 0 WHEN w.version = 0 THEN new_version ELSE -w.version END,
               w.value, w.long_key
          FROM unnest(p_aggregate_kind, p_aggregate_key, p_aggregate_version, p_aggregate_value, p_aggregate_long_key,
                      p_aggregate_only_read)
            WITH ORDINALITY AS w (kind, key, version, value, long_key, only_read, place) ORDER BY w.place
        ON CONFLICT (kind, key) DO UPDATE SET version = new_version, value = excluded.value
          WHERE a.version = -excluded.version
        RETURNING a.ctid AS place, a.version, a.value IS NULL AS is_gone)
    SELECT count(*) FILTER (WHERE written.version = new_version),
           array_agg(written.place) FILTER (WHERE written.is_gone) INTO done, places FROM written;
    IF done < cardinality(p_aggregate_key) THEN
      SELECT coalesce(array_agg(w.place ORDER BY w.place), '{}') INTO aggregate_conflicts
        FROM unnest(p_aggregate_kind, p_aggregate_key, p_aggregate_version, p_aggregate_only_read) WITH ORDINALITY
          AS w (kind, key, version, only_read, place)
        WHERE NOT EXISTS (SELECT FROM aggregate a
                            WHERE a.kind = w.kind AND a.key = w.key
                              AND a.version = CASE WHEN w.only_read <> 0 THEN w.version ELSE new_version END);
    END IF;
    IF cardinality(aggregate_conflicts) = 0 AND places IS NOT NULL THEN
      DELETE FROM aggregate WHERE ctid = ANY (places);
    END IF;
  END IF;

  IF cardinality(p_request_id) > 0 THEN
    WITH written AS (
      INSERT INTO request AS r (request_id, caller, method, hash, reply, created_ms, task_group, task_partition)
        SELECT w.request_id, w.caller, w.method, w.hash, w.reply, p_now_ms, w.task_group, w.task_partition
          FROM unnest(p_request_id, p_request_caller, p_request_method, p_request_hash, p_request_reply,
                      p_request_group, p_request_partition) WITH ORDINALITY
            AS w (request_id, caller, method, hash, reply, task_group, task_partition, place) ORDER BY w.place
        ON CONFLICT DO NOTHING RETURNING r.ctid AS place)
    SELECT count(*), array_agg(written.place) INTO done, places FROM written;
    IF done < cardinality(p_request_id) THEN
      SELECT array_agg(w.place ORDER BY w.place) INTO request_conflicts
        FROM unnest(p_request_id, p_request_caller, p_request_method) WITH ORDINALITY
          AS w (request_id, caller, method, place)
        WHERE NOT EXISTS (SELECT FROM request r
                            WHERE r.request_id = w.request_id AND r.caller = w.caller AND r.method = w.method
                              AND r.ctid = ANY (places));
    END IF;
  END IF;
  IF cardinality(aggregate_conflicts) > 0 OR cardinality(request_conflicts) > 0 OR p_has_doubles THEN
    RAISE SQLSTATE 'TW001';
  END IF;

  IF cardinality(p_removed_index) > 0 THEN
    DELETE FROM aggregate_index WHERE ctid = ANY (ARRAY(
      SELECT found.place
        FROM unnest(p_removed_index, p_removed_value, p_removed_order, p_removed_key)
          AS e (index_name, value, "order", key)
        CROSS JOIN LATERAL (
          SELECT i.ctid AS place FROM aggregate_index i
            WHERE i.index_name = e.index_name AND i.value = e.value AND i."order" = e."order" AND i.key = e.key
            LIMIT 1) AS found));
  END IF;
  IF cardinality(p_added_index) > 0 THEN
    INSERT INTO aggregate_index (index_name, value, "order", key)
      SELECT * FROM unnest(p_added_index, p_added_value, p_added_order, p_added_key) ON CONFLICT DO NOTHING;
  END IF;

  FOR t IN
    SELECT * FROM unnest(p_task_group, p_task_partition, p_task_epoch, p_task_new_sequence, p_task_outbox,
                         p_task_acknowledged) WITH ORDINALITY
      AS w ("group", partition, epoch, new_sequence, outbox, acknowledged, place) ORDER BY place
  LOOP
    IF t.acknowledged > 0 THEN
      DELETE FROM outbox WHERE "group" = t."group" AND partition = t.partition AND sequence <= t.acknowledged;
    END IF;
    IF t.outbox IS NOT NULL THEN
      INSERT INTO outbox ("group", partition, sequence, epoch, batch)
        VALUES (t."group", t.partition, t.new_sequence, t.epoch, t.outbox);
    END IF;
  END LOOP;

  IF cardinality(p_kept_removed) > 0 OR cardinality(p_updated_id) > 0 THEN
    PERFORM FROM kept WHERE id = ANY (p_kept_removed || p_updated_id) ORDER BY id FOR UPDATE;
    DELETE FROM kept WHERE id = ANY (p_kept_removed);
    FOR t IN
      SELECT * FROM unnest(p_updated_id, p_updated_state, p_updated_reason, p_updated_attempts, p_updated_due_ms,
                           p_updated_carried_out)
        AS w (id, state, reason, attempts, due_ms, carried_out)
    LOOP
      UPDATE kept SET state = t.state, reason = t.reason, attempts = t.attempts, due_ms = t.due_ms,
                      requested = CASE WHEN requested = t.carried_out THEN 0 ELSE requested END
        WHERE id = t.id;
    END LOOP;
  END IF;
  IF cardinality(p_kept_record) > 0 THEN
    WITH written AS (
      INSERT INTO kept ("group", partition, state, key, source, type, reason, record, queued, attempts, due_ms, long_key,
                        place)
        SELECT w."group", w.partition, w.state, w.key, w.source, w.type, w.reason, w.record, w.queued <> 0, w.attempts,
               w.due_ms, w.long_key, coalesce(w.place, 0)
          FROM unnest(p_kept_group, p_kept_partition, p_kept_state, p_kept_key, p_kept_source, p_kept_type,
                      p_kept_reason, p_kept_record, p_kept_queued, p_kept_attempts, p_kept_due_ms, p_kept_long_key,
                      p_kept_place) WITH ORDINALITY
            AS w ("group", partition, state, key, source, type, reason, record, queued, attempts, due_ms, long_key,
                  place, position)
          ORDER BY w.position
        RETURNING id)
    SELECT array_agg(written.id ORDER BY written.id) INTO kept_ids FROM written;
  END IF;

  IF cardinality(p_stopped_key) > 0 THEN
    DELETE FROM timer WHERE ctid = ANY (ARRAY(
      SELECT found.place
        FROM unnest(p_stopped_group, p_stopped_partition, p_stopped_key, p_stopped_name)
          AS e ("group", partition, key, name)
        CROSS JOIN LATERAL (
          SELECT i.ctid AS place FROM timer i
            WHERE i."group" = e."group" AND i.partition = e.partition AND i.key = e.key AND i.name = e.name
            LIMIT 1) AS found));
  END IF;
  IF cardinality(p_timer_key) > 0 THEN
    INSERT INTO timer ("group", partition, key, name, due_ms, record, long_key)
      SELECT * FROM unnest(p_timer_group, p_timer_partition, p_timer_key, p_timer_name, p_timer_due_ms, p_timer_record,
                           p_timer_long_key)
      ON CONFLICT ("group", partition, key, name) DO UPDATE SET due_ms = excluded.due_ms, record = excluded.record;
  END IF;
EXCEPTION WHEN SQLSTATE 'TW001' THEN
  new_version := 0;
  kept_ids := '{}';
END
$body$;
)sql";

// The call of it, and its name as a prepared statement.
inline constexpr const char* kCommitBatch = "commit_batch_5";
inline constexpr const char* kCallCommitBatch =
    "SELECT new_version, fenced, aggregate_conflicts, request_conflicts, kept_ids FROM commit_batch_5("
    "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, "
    "$23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, "
    "$44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63)";

}  // namespace tradewind::store
