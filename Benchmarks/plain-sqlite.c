/* The transactions of a supervisor's commit in plain C: the yardstick for `benchmarks update`.
 *
 *   plain-sqlite PATH single SECONDS       one thread, one update a transaction
 *   plain-sqlite PATH threads N SECONDS    N threads that share the connection, one update a transaction
 *   plain-sqlite PATH batches N SECONDS    one thread, N updates a transaction
 *
 * Same file, schema, pragmas and statements as Sources/JobStore (JobRow.update, EventRow.insert); every statement is
 * prepared once. Prints one line of JSON.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { JOBS = 1000, JOB_VALUES = 22, UPDATED_AT = 6, ATTEMPT_VALUES = 22, SEEN_AT = 14, HEARTBEAT_AT = 17 };

static const char *select_jobs =
    "SELECT budget_limit, budget_action, budget_percents, state, reason, message, updated_at, started_at, ended_at,"
    " attempt, earlier_cost, cost, wish_reason, wish_message, wish_at, wish_final_sync, wish_tries, crossed, open,"
    " id, owner, epoch FROM jobs WHERE open = 1 ORDER BY created_at, id LIMIT 1000";
static const char *select_attempt =
    "SELECT job, number, token, requested_at, instance_id, instance_type, region, zone, public_ip, private_ip,"
    " spot_request_id, instance_state, launched_at, ended_at, seen_at, absent_since, unreachable_since, heartbeat_at,"
    " heartbeat_lost, phase, exit_code, synced_at FROM attempts WHERE job = ?";
static const char *update_job =
    "UPDATE jobs SET budget_limit = ?, budget_action = ?, budget_percents = ?, state = ?, reason = ?, message = ?,"
    " updated_at = ?, started_at = ?, ended_at = ?, attempt = ?, earlier_cost = ?, cost = ?, wish_reason = ?,"
    " wish_message = ?, wish_at = ?, wish_final_sync = ?, wish_tries = ?, crossed = ?, open = ?,"
    " revision = revision + 1 WHERE id = ? AND owner = ? AND epoch = ?";
static const char *upsert_attempt =
    "INSERT INTO attempts(job, number, token, requested_at, instance_id, instance_type, region, zone, public_ip,"
    " private_ip, spot_request_id, instance_state, launched_at, ended_at, seen_at, absent_since, unreachable_since,"
    " heartbeat_at, heartbeat_lost, phase, exit_code, synced_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(job, number) DO UPDATE SET token = excluded.token, requested_at = excluded.requested_at,"
    " instance_id = excluded.instance_id, instance_type = excluded.instance_type, region = excluded.region,"
    " zone = excluded.zone, public_ip = excluded.public_ip, private_ip = excluded.private_ip,"
    " spot_request_id = excluded.spot_request_id, instance_state = excluded.instance_state,"
    " launched_at = excluded.launched_at, ended_at = excluded.ended_at, seen_at = excluded.seen_at,"
    " absent_since = excluded.absent_since, unreachable_since = excluded.unreachable_since,"
    " heartbeat_at = excluded.heartbeat_at, heartbeat_lost = excluded.heartbeat_lost, phase = excluded.phase,"
    " exit_code = excluded.exit_code, synced_at = excluded.synced_at";
static const char *select_segments =
    "SELECT from_at, price FROM price_segments WHERE job = ? AND attempt = ? ORDER BY position";
static const char *insert_event =
    "INSERT INTO events(job, attempt, at, kind, reason, message, key) VALUES (?,?,?,?,?,?,?)";

static sqlite3 *db;
static sqlite3_stmt *begin, *commit, *update, *attempt, *segments, *event;
static sqlite3_value *jobs[JOBS][JOB_VALUES], *attempts[JOBS][ATTEMPT_VALUES];
static long long moments[JOBS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double end_at;

static void check(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "plain-sqlite: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no database");
  exit(1);
}

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *statement;
  check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK, sql);
  return statement;
}

static void run(sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  check(code == SQLITE_DONE || code == SQLITE_ROW, "step");
  sqlite3_reset(statement);
}

static void load(void) {
  sqlite3_stmt *rows = prepare(select_jobs), *of = prepare(select_attempt);
  for (int job = 0; job < JOBS; job++) {
    check(sqlite3_step(rows) == SQLITE_ROW, "the database must have 1000 open jobs");
    for (int i = 0; i < JOB_VALUES; i++) jobs[job][i] = sqlite3_value_dup(sqlite3_column_value(rows, i));
    moments[job] = sqlite3_column_int64(rows, UPDATED_AT);
    sqlite3_bind_value(of, 1, jobs[job][19]);
    check(sqlite3_step(of) == SQLITE_ROW, "attempt");
    for (int i = 0; i < ATTEMPT_VALUES; i++) attempts[job][i] = sqlite3_value_dup(sqlite3_column_value(of, i));
    sqlite3_reset(of);
  }
  sqlite3_finalize(rows);
  sqlite3_finalize(of);
}

static void change(int job) {
  long long now = moments[job] += 15000;
  for (int i = 0; i < JOB_VALUES; i++) sqlite3_bind_value(update, i + 1, jobs[job][i]);
  sqlite3_bind_int64(update, UPDATED_AT + 1, now);
  run(update);
  check(sqlite3_changes(db) == 1, "the lease went stale");
  for (int i = 0; i < ATTEMPT_VALUES; i++) sqlite3_bind_value(attempt, i + 1, attempts[job][i]);
  sqlite3_bind_int64(attempt, SEEN_AT + 1, now);
  sqlite3_bind_int64(attempt, HEARTBEAT_AT + 1, now);
  run(attempt);
  sqlite3_bind_value(segments, 1, attempts[job][0]);
  sqlite3_bind_value(segments, 2, attempts[job][1]);
  while (sqlite3_step(segments) == SQLITE_ROW) {
  }
  sqlite3_reset(segments);
  sqlite3_bind_value(event, 1, attempts[job][0]);
  sqlite3_bind_value(event, 2, attempts[job][1]);
  sqlite3_bind_int64(event, 3, now);
  sqlite3_bind_text(event, 4, "address_changed", -1, SQLITE_STATIC);
  sqlite3_bind_text(event, 6, "addresses: - public, - private", -1, SQLITE_STATIC);
  run(event);
}

static void *writer(void *argument) {
  long number = (long)argument, count = 0;
  while (seconds() < end_at) {
    pthread_mutex_lock(&lock);
    run(begin);
    change(number % JOBS);
    run(commit);
    pthread_mutex_unlock(&lock);
    count++;
  }
  return (void *)count;
}

int main(int count, char **words) {
  check(count >= 4, "usage: plain-sqlite PATH single SECONDS | threads N SECONDS | batches N SECONDS");
  const char *mode = words[2];
  int n = count > 4 ? atoi(words[3]) : 1;
  double duration = atof(words[count - 1]);
  check(sqlite3_open_v2(words[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL) == SQLITE_OK, "open");
  check(sqlite3_exec(db,
                     "PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                     "UPDATE jobs SET owner = 'plain', epoch = epoch + 1",
                     NULL, NULL, NULL) == SQLITE_OK,
        "set up");
  begin = prepare("BEGIN IMMEDIATE");
  commit = prepare("COMMIT");
  update = prepare(update_job);
  attempt = prepare(upsert_attempt);
  segments = prepare(select_segments);
  event = prepare(insert_event);
  load();

  double start = seconds(), start_cpu = cpu();
  long updates = 0;
  end_at = start + duration;
  if (strcmp(mode, "threads") == 0) {
    pthread_t *threads = calloc(n, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (long i = 0; i < n; i++) check(pthread_create(&threads[i], &small, writer, (void *)i) == 0, "thread");
    for (int i = 0; i < n; i++) {
      void *written;
      pthread_join(threads[i], &written);
      updates += (long)written;
    }
  } else {
    int batch = strcmp(mode, "batches") == 0 ? n : 1;
    while (seconds() < end_at) {
      run(begin);
      for (int i = 0; i < batch; i++) change(updates++ % JOBS);
      run(commit);
    }
  }
  double wall = seconds() - start, used = cpu() - start_cpu;
  printf("{\"updates\": %ld, \"seconds\": %.6f, \"cpu\": %.6f}\n", updates, wall, used);
  return 0;
}
