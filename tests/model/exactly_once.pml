/* Ownership, publishing and the watermark rule of one task, for Spin. README.md says what is left out and why, which
 * function each step stands for, and what happens without each rule; ./run checks all of it.
 *
 * Two workers of one service contend for one task. It reads two input topics, X and Y; a record of X becomes one event
 * into each of the output partitions A and B, one of Y an event into A. Somebody downstream reads both partitions.
 *
 * A sequence (epoch, number) is one byte, so that it compares as the pair does; 0 is "none". */

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

#ifndef FAULTS
#define FAULTS 2      /* things that go wrong in one history, of any kinds */
#endif
#ifndef X_RECORDS
#define X_RECORDS 2
#endif
#ifndef OUTPUTS
#define OUTPUTS 2     /* 1: nothing is sent to B */
#endif
/* RESTORES: the store can be put back to a backup, so Kafka's copy of the offsets matters and is modelled too. */
#ifdef RESTORES
#define RESTORING true
#else
#define RESTORING false
#endif

#define ROWS 3        /* in an outbox: one for each record at most */

/* ---- rules, each of which a variant leaves out ------------------------------------------------------------------- */

#ifdef NO_FENCE
#define NO_EPOCH_CHECK
#define NO_EMIT_CHECK
#endif
#ifdef NO_EPOCH_CHECK
#define EPOCH_FITS(c) true
#else
#define EPOCH_FITS(c) (store.epoch == c.epoch)
#endif
#ifdef NO_EMIT_CHECK
#define EMIT_FITS(c) true
#else
#define EMIT_FITS(c) (store.emit == c.emit)
#endif

#ifdef ONE_WATERMARK
#define MARK(p) watermark[0]
#else
#define MARK(p) watermark[p]
#endif

/* Both partitions are read from their beginning, so a source never seen before has to begin at its own. */
#ifdef NO_PREVIOUS
#define BEHIND_A_GAP(p, before) false
#else
#ifdef NO_FIRST_CHECK
#define BEHIND_A_GAP(p, before) (MARK(p) != 0 && before > MARK(p))
#else
#define BEHIND_A_GAP(p, before) (before > MARK(p))
#endif
#endif

#ifdef EPOCHS_TOGETHER
#define SAME_EPOCH(a, b) true
#else
#define SAME_EPOCH(a, b) (EPOCH(ROW_SEQUENCE(a)) == EPOCH(ROW_SEQUENCE(b)))
#endif

#define STORE_IS_BEHIND (mirror_offset[X] > store.offset[X] || mirror_offset[Y] > store.offset[Y])
#ifdef NO_MIRROR_CHECK
#define REFUSED false
#else
#define REFUSED (!adopt && STORE_IS_BEHIND)
#endif

/* Milliseconds are long: a clock that is right shows a time above every epoch so far, one that stepped back shows 0. */
#define NOW (clock_is_right -> newest + 1 : 0)
#ifdef EPOCH_FROM_CLOCK
#define NEW_EPOCH NOW
#else
#define NEW_EPOCH MAX(MAX(store.epoch, mirror_epoch) + 1, NOW)
#endif

/* A session commits for a task only over the connection that it was taken over, and a restore ends them all. */
#ifdef NO_SESSION_CHECK
#define CUT false
#else
#define CUT cut
#endif

/* ---- faults that must be reachable ------------------------------------------------------------------------------- */

#ifndef REACH
#define REACH none
#endif
mtype = {
  none, send_failed_mid_row, delayed_send_arrived, zombie_published, outbox_taken_over, commit_in_doubt_took_effect,
  commit_in_doubt_was_lost, commit_in_doubt_was_fenced, zombie_was_fenced, crash_inside_takeover,
  commit_inside_takeover, clock_was_back, clock_was_back_and_kafka_knew, restore_was_refused, restore_was_undone,
  restore_was_adopted, adopted_with_the_clock_back, restore_was_not_noticed, repeat_dropped, gap_held, gap_closed,
  came_to_rest
};
#define DEMAND(condition, words) \
  if                             \
  :: condition                   \
  :: else ->                     \
     printf(words);              \
     assert(false)               \
  fi
#define PROBE(fault) assert(REACH != fault)
#define PROBE_IF(condition, fault) assert(!(condition) || REACH != fault)

/* ---- state ------------------------------------------------------------------------------------------------------- */

#define X 0
#define Y 1
#define TIDY 2
#define A 0
#define B 1
#define RECORDS(topic) (topic == X -> X_RECORDS : 1)
#define RECORD(topic, offset) (1 << (topic * 2 + offset))
#define RECORDS_BEFORE(offset) (((1 << offset[X]) - 1) | (((1 << offset[Y]) - 1) << 2))

#define SEQUENCE(epoch, number) (epoch * 16 + number)
#define EPOCH(sequence) (sequence >> 4)
#define NUMBER(sequence) (sequence & 15)
#define SHOWN(sequence) EPOCH(sequence), NUMBER(sequence)
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* One commit's events, 0 where there is none for a partition, and what went before each in its partition. */
typedef Row { byte event[2]; byte previous[2] };
#define ROW_SEQUENCE(row) MAX(row.event[A], row.event[B])

typedef Store {
  byte epoch;
  byte emit;
  byte offset[2];
  byte last[2];       /* the ends of the chains, one for each output partition */
  byte rows;
  Row outbox[ROWS];
  /* For the checker: the events in the order of their commits, three places for each partition, and how many of them
   * downstream has taken. */
  byte decided[6];
  byte decisions[2];
  byte taken[2]
};
Store store;
Store aside;          /* a backup; once it was restored, the newer store that it replaced */

/* A worker that is disowned has lost its memory of the task and not yet heard that the task is no longer its own. */
mtype = { idle, disowned, early, raised, running, refused };
typedef Memory {
  mtype phase = idle;
  byte epoch;
  byte emit;
  byte offset[2];
  byte last[2];
  byte rows;
  Row lane[ROWS];     /* committed, not acknowledged */
  byte sent[2];       /* rows of the lane, from its front, whose event for the partition is acknowledged */
  byte acknowledged;  /* the number of the newest row that can be dropped; 0 for none */
  bit moved           /* Kafka's copy of the offsets is behind */
};
Memory worker[2];
byte assigned;        /* to whom Kafka gives the task */

typedef Commit {
  bit present;
  byte epoch;
  byte emit;
  byte offset[2];
  byte last[2];
  byte new_emit;
  Row row;
  byte drop;          /* outbox rows up to this number go */
  byte input          /* for the checker: the record that was handled */
};
Commit in_doubt;      /* on its way to the store; its sender has given it up */

byte delayed[2];      /* for each partition an event on its way to the log; its sender has given it up */
byte delayed_previous[2];
byte mirror_offset[2];
byte mirror_epoch;

byte watermark[2];
byte held[2];
byte held_event[4];
byte held_previous[4];

byte faults = FAULTS; /* still to come */
bool clock_back;
bool clock_is_right;
bool backed_up, restored, undone;
bool cut;             /* the store was put back, and nobody has taken the task since */
bool adopt;           /* the operator has said to go on with the older store */

/* For the checker. */
byte newest;          /* the greatest epoch that a worker has worked in */
byte handled;         /* records whose effects are committed */
bool replay;          /* what the restored store has not seen may be handled again */
bool lost[2];         /* an acknowledged event is not on the log */

/* Within one step only. */
hidden Commit request;
hidden byte what;
hidden byte before;
hidden byte known;
hidden byte kept;
hidden byte i;

/* ---- copying ----------------------------------------------------------------------------------------------------- */

inline CopyRow(to, from) {
  to.event[A] = from.event[A];
  to.event[B] = from.event[B];
  to.previous[A] = from.previous[A];
  to.previous[B] = from.previous[B]
}
inline ClearRow(it) {
  it.event[A] = 0;
  it.event[B] = 0;
  it.previous[A] = 0;
  it.previous[B] = 0
}
inline CopyProgress(to, from) {
  to.epoch = from.epoch;
  to.emit = from.emit;
  for (i : 0 .. 1) {
    to.offset[i] = from.offset[i];
    to.last[i] = from.last[i]
  }
}
inline Swap(a, b) {
  kept = a;
  a = b;
  b = kept
}
inline SwapStores() {
  Swap(store.epoch, aside.epoch);
  Swap(store.emit, aside.emit);
  Swap(store.rows, aside.rows);
  for (i : 0 .. 1) {
    Swap(store.offset[i], aside.offset[i]);
    Swap(store.last[i], aside.last[i]);
    Swap(store.decisions[i], aside.decisions[i]);
    Swap(store.taken[i], aside.taken[i])
  }
  for (i : 0 .. 2) {
    Swap(store.outbox[i].event[A], aside.outbox[i].event[A]);
    Swap(store.outbox[i].event[B], aside.outbox[i].event[B]);
    Swap(store.outbox[i].previous[A], aside.outbox[i].previous[A]);
    Swap(store.outbox[i].previous[B], aside.outbox[i].previous[B])
  }
  for (i : 0 .. 5) {
    Swap(store.decided[i], aside.decided[i])
  }
}
inline BackUp() {
  CopyProgress(aside, store);
  aside.rows = store.rows;
  for (i : 0 .. 2) {
    CopyRow(aside.outbox[i], store.outbox[i])
  }
  for (i : 0 .. 1) {
    aside.decisions[i] = store.decisions[i];
    aside.taken[i] = store.taken[i]
  }
  for (i : 0 .. 5) {
    aside.decided[i] = store.decided[i]
  }
}
/* Nobody asks for these any more: cleared, so that states which differ in nothing else are one. */
inline ForgetAside() {
  aside.epoch = 0;
  aside.emit = 0;
  aside.rows = 0;
  for (i : 0 .. 1) {
    aside.offset[i] = 0;
    aside.last[i] = 0;
    aside.decisions[i] = 0;
    aside.taken[i] = 0
  }
  for (i : 0 .. 2) {
    ClearRow(aside.outbox[i])
  }
  for (i : 0 .. 5) {
    aside.decided[i] = 0
  }
}
inline Forget(w) {
  worker[w].phase = idle;
  worker[w].epoch = 0;
  worker[w].emit = 0;
  worker[w].rows = 0;
  for (i : 0 .. 1) {
    worker[w].offset[i] = 0;
    worker[w].last[i] = 0;
    worker[w].sent[i] = 0
  }
  for (i : 0 .. 2) {
    ClearRow(worker[w].lane[i])
  }
  worker[w].acknowledged = 0;
  worker[w].moved = 0
}
inline ForgetInDoubt() {
  in_doubt.present = 0;
  in_doubt.epoch = 0;
  in_doubt.emit = 0;
  in_doubt.new_emit = 0;
  for (i : 0 .. 1) {
    in_doubt.offset[i] = 0;
    in_doubt.last[i] = 0
  }
  ClearRow(in_doubt.row);
  in_doubt.drop = 0;
  in_doubt.input = 0
}

/* ---- downstream -------------------------------------------------------------------------------------------------- */

#define EXPECTED(s, p) (s.taken[p] < s.decisions[p] && s.decided[p * 3 + s.taken[p]] == what)
inline Take(p) {
  MARK(p) = what;
  printf("downstream: takes %c %d-%d\n", 'A' + p, SHOWN(what));
  known = 0;
  if
  :: EXPECTED(store, p) ->
     store.taken[p]++;
     known = 1
  :: else
  fi;
  if
  :: EXPECTED(aside, p) ->
     aside.taken[p]++;
     known = 1
  :: else
  fi;
  for (i : 0 .. 2) {
    if
    :: i < store.decisions[p] && store.decided[p * 3 + i] == what && !known -> known = 2
    :: else
    fi
  }
  /* Events of a history that a restore has undone are nobody's concern. */
  DEMAND(known == 1 || (known == 0 && replay), "VIOLATED: events are taken in the order decided, each once\n")
}

#define NEXT_HELD held_event[p * 2]
inline TakeHeld(p) {
  do
  :: held[p] == 0 -> break
  :: held[p] > 0 && NEXT_HELD > MARK(p) && BEHIND_A_GAP(p, held_previous[p * 2]) -> break
  :: else ->
     what = NEXT_HELD;
     NEXT_HELD = held_event[p * 2 + 1];
     held_previous[p * 2] = held_previous[p * 2 + 1];
     held_event[p * 2 + 1] = 0;
     held_previous[p * 2 + 1] = 0;
     held[p]--;
     if
     :: what > MARK(p) ->
        PROBE(gap_closed);
        Take(p)
     :: else
     fi
  od;
  skip
}

/* Appends `what`, whose predecessor is `before`, to the log, where it is read at once. */
inline Append(p) {
  if
  :: what <= MARK(p) ->
     PROBE(repeat_dropped);
     printf("downstream: drops %c %d-%d, a repeat\n", 'A' + p, SHOWN(what))
  :: what > MARK(p) && BEHIND_A_GAP(p, before) ->
     PROBE(gap_held);
     printf("downstream: holds %c %d-%d back, %d-%d is missing\n", 'A' + p, SHOWN(what), SHOWN(before));
     if
     :: held_event[p * 2] == what || held_event[p * 2 + 1] == what
     :: else ->
        assert(held[p] < 2); /* the model's own bound */
        held_event[p * 2 + held[p]] = what;
        held_previous[p * 2 + held[p]] = before;
        held[p]++
     fi
  :: else ->
     Take(p);
     TakeHeld(p)
  fi
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

#define FITS(c) (!CUT && EPOCH_FITS(c) && EMIT_FITS(c))

inline DropOutbox(upto) {
  do
  :: store.rows > 0 && NUMBER(ROW_SEQUENCE(store.outbox[0])) <= upto ->
     CopyRow(store.outbox[0], store.outbox[1]);
     CopyRow(store.outbox[1], store.outbox[2]);
     ClearRow(store.outbox[2]);
     store.rows--
  :: else -> break
  od
}
inline Write(c) {
  DEMAND((handled & c.input) == 0, "VIOLATED: no record is handled twice\n");
  handled = handled | c.input;
  store.emit = c.new_emit;
  for (i : 0 .. 1) {
    store.offset[i] = c.offset[i];
    store.last[i] = c.last[i]
  }
  DropOutbox(c.drop);
  if
  :: c.input ->
     CopyRow(store.outbox[store.rows], c.row);
     store.rows++;
     for (i : 0 .. 1) {
       if
       :: c.row.event[i] ->
          store.decided[i * 3 + store.decisions[i]] = c.row.event[i];
          store.decisions[i]++
       :: else
       fi
     }
  :: else
  fi
}
inline Fenced(c) {
#ifdef DROP_UNCHECKED
  DropOutbox(c.drop);
#endif
  skip
}

proctype Database() {
end:
  do
  :: d_step {
       in_doubt.present ->
       if
       :: FITS(in_doubt) ->
          PROBE(commit_in_doubt_took_effect);
          printf("store: the commit in doubt takes effect\n");
          Write(in_doubt)
       :: else ->
          PROBE(commit_in_doubt_was_fenced);
          printf("store: the commit in doubt is fenced\n");
          Fenced(in_doubt)
       fi;
       ForgetInDoubt()
     }
  :: d_step {
       in_doubt.present ->
       PROBE(commit_in_doubt_was_lost);
       printf("store: the commit in doubt never arrived\n");
       ForgetInDoubt()
     }
  od
}

/* ---- a worker ---------------------------------------------------------------------------------------------------- */

#define ME worker[me]

/* Rows at the front that are acknowledged leave the lane. */
inline Settle() {
  for (i : 0 .. 1) {
    do
    :: ME.sent[i] < ME.rows && ME.lane[ME.sent[i]].event[i] == 0 -> ME.sent[i]++
    :: else -> break
    od
  }
  do
  :: ME.sent[A] > 0 && ME.sent[B] > 0 ->
     ME.acknowledged = NUMBER(ROW_SEQUENCE(ME.lane[0]));
     CopyRow(ME.lane[0], ME.lane[1]);
     CopyRow(ME.lane[1], ME.lane[2]);
     ClearRow(ME.lane[2]);
     ME.rows--;
     ME.sent[A]--;
     ME.sent[B]--
  :: else -> break
  od;
  skip
}

inline ReadOutbox() {
  printf("worker %d: reads %d outbox rows\n", me, store.rows);
  ME.rows = store.rows;
  for (i : 0 .. 2) {
    CopyRow(ME.lane[i], store.outbox[i])
  };
  skip
}

inline Emit(p) {
  request.new_emit++;
  request.row.event[p] = SEQUENCE(ME.epoch, request.new_emit);
  request.row.previous[p] = ME.last[p];
  request.last[p] = request.row.event[p]
}
/* What the worker commits for the next record of a topic, or to drop acknowledged rows in a quiet moment. */
inline Decide(topic) {
  CopyProgress(request, ME);
  ClearRow(request.row);
  request.new_emit = ME.emit;
  request.drop = ME.acknowledged;
  request.input = 0;
  if
  :: topic == TIDY -> request.new_emit++
  :: else ->
     request.input = RECORD(topic, ME.offset[topic]);
     request.offset[topic]++;
     Emit(A);
     if
     :: topic == X && OUTPUTS == 2 -> Emit(B)
     :: else
     fi
  fi
}
inline ShowRequest(topic) {
  if
  :: topic == TIDY -> printf("worker %d: commits, to drop outbox rows up to %d", me, request.drop)
  :: else ->
     printf("worker %d: commits %c%d as %d-%d", me, 'X' + topic, request.offset[topic], SHOWN(request.row.event[A]));
     if
     :: request.row.event[B] -> printf(" and %d-%d", SHOWN(request.row.event[B]))
     :: else
     fi
  fi
}
inline Advance() {
  ME.emit = request.new_emit;
  ME.acknowledged = 0;
  if
  :: request.input ->
     for (i : 0 .. 1) {
       ME.offset[i] = request.offset[i];
       ME.last[i] = request.last[i]
     }
     CopyRow(ME.lane[ME.rows], request.row);
     ME.rows++;
     ME.moved = RESTORING;
     Settle()
  :: else
  fi
}
inline Disown() {
  Forget(me);
  if
  :: assigned == me
  :: else -> ME.phase = disowned
  fi
}

#define MAY_COMMIT(topic) \
  (ME.phase == running && (topic == TIDY -> ME.acknowledged : ME.offset[topic % 2] < RECORDS(topic)))

proctype Committing(byte me; byte topic) {
end:
  do
  :: d_step {
       MAY_COMMIT(topic) ->
       Decide(topic);
       ShowRequest(topic);
       if
       :: FITS(request) ->
          printf("\n");
          Write(request);
          Advance()
       :: else ->
          PROBE(zombie_was_fenced);
          PROBE_IF(worker[1 - me].phase == raised, commit_inside_takeover);
          printf(": fenced\n");
          Fenced(request);
          Disown()
       fi
     }
  :: d_step {
       faults && !in_doubt.present && MAY_COMMIT(topic) ->
       faults--;
       Decide(topic);
       ShowRequest(topic);
       printf(" and gets no answer\n");
       CopyProgress(in_doubt, request);
       in_doubt.present = 1;
       in_doubt.new_emit = request.new_emit;
       CopyRow(in_doubt.row, request.row);
       in_doubt.drop = request.drop;
       in_doubt.input = request.input;
#ifndef GO_ON_IN_DOUBT
       Disown()
#endif
     }
  od
}

#define NEXT ME.lane[ME.sent[p]]
#define MAY_SEND (ME.phase == running && ME.sent[p] < ME.rows && SAME_EPOCH(NEXT, ME.lane[0]))

inline SendAgain() {
  ME.sent[A] = 0;
  ME.sent[B] = 0;
  Settle()
}

proctype Publishing(byte me; byte p) {
end:
  do
  :: d_step {
       MAY_SEND ->
       PROBE_IF(ME.epoch < store.epoch, zombie_published);
       PROBE_IF(EPOCH(NEXT.event[p]) < ME.epoch, outbox_taken_over);
       what = NEXT.event[p];
       before = NEXT.previous[p];
       printf("worker %d: sends %c %d-%d\n", me, 'A' + p, SHOWN(what));
       Append(p);
       ME.sent[p]++;
       Settle()
     }
  :: d_step {
       faults && MAY_SEND ->
       faults--;
       PROBE_IF(ME.sent[1 - p] > ME.sent[p], send_failed_mid_row);
       printf("worker %d: fails to send %c %d-%d\n", me, 'A' + p, SHOWN(NEXT.event[p]));
#ifdef NO_GAPLESS
       ME.sent[p]++;
       if
       :: MAY_SEND ->
          what = NEXT.event[p];
          before = NEXT.previous[p];
          printf("worker %d: sends %c %d-%d all the same\n", me, 'A' + p, SHOWN(what));
          Append(p)
       :: else
       fi;
#endif
       SendAgain()
     }
  :: d_step {
       faults && !delayed[p] && MAY_SEND ->
       faults--;
       PROBE_IF(ME.sent[1 - p] > ME.sent[p], send_failed_mid_row);
       printf("worker %d: sends %c %d-%d and hears of a failure\n", me, 'A' + p, SHOWN(NEXT.event[p]));
       delayed[p] = NEXT.event[p];
       delayed_previous[p] = NEXT.previous[p];
       SendAgain()
     }
  :: d_step {
       faults && MAY_SEND ->
       faults--;
       lost[p] = 1;
       printf("worker %d: sends %c %d-%d, which Kafka acknowledges and loses\n", me, 'A' + p, SHOWN(NEXT.event[p]));
       ME.sent[p]++;
       Settle()
     }
  od
}

proctype Broker(byte p) {
end:
  do
  :: d_step {
       delayed[p] ->
       PROBE(delayed_send_arrived);
       what = delayed[p];
       before = delayed_previous[p];
       delayed[p] = 0;
       delayed_previous[p] = 0;
       printf("broker: appends %c %d-%d, which was under way\n", 'A' + p, SHOWN(what));
       Append(p)
     }
  od
}

#define MAY_TAKE_OVER \
  ((ME.phase == idle && assigned == me) || (ME.phase == disowned && (assigned == me || faults)))

proctype Owning(byte me) {
end:
  do
  :: d_step {
       MAY_TAKE_OVER ->
       if
       :: assigned == me
       :: else -> faults--
       fi;
       ME.phase = early;
#ifdef EARLY_OUTBOX
       ReadOutbox()
     }
  :: d_step {
       ME.phase == early ->
#endif
       clock_is_right = !clock_back;
       PROBE_IF(!clock_is_right, clock_was_back);
       PROBE_IF(!clock_is_right && mirror_epoch > store.epoch, clock_was_back_and_kafka_knew);
       PROBE_IF(!clock_is_right && adopt, adopted_with_the_clock_back);
       i = NEW_EPOCH;
       clock_is_right = false;
       store.epoch = i;
       cut = false;
       CopyProgress(ME, store);
       printf("worker %d: takes the task, epoch %d", me, ME.epoch);
       if
       :: REFUSED ->
          PROBE(restore_was_refused);
          printf(", and refuses the store: Kafka is ahead of it\n");
          Forget(me);
          ME.phase = refused
       :: else ->
          printf("\n");
          DEMAND(!STORE_IS_BEHIND || replay,
                 "VIOLATED: a store that Kafka is ahead of is used only where the operator says so\n");
          adopt = false;
          newest = MAX(newest, ME.epoch);
#ifndef NO_MIRROR_FIRST
          mirror_epoch = ME.epoch;
          mirror_offset[X] = ME.offset[X];
          mirror_offset[Y] = ME.offset[Y];
#endif
          ME.phase = raised
       fi
     }
  :: d_step {
       ME.phase == raised ->
       ME.phase = running;
#ifndef EARLY_OUTBOX
       ReadOutbox();
#endif
       Settle()
     }
  :: d_step {
       assigned != me && ME.phase != idle && ME.phase != refused ->
       printf("worker %d: hears that the task is no longer its own\n", me);
       Forget(me)
     }
  :: d_step {
       faults && (ME.phase == early || ME.phase == raised || ME.phase == running) ->
       faults--;
       PROBE_IF(ME.phase == raised, crash_inside_takeover);
       printf("worker %d: crashes\n", me);
       Forget(me)
     }
#ifdef RESTORES
  :: d_step {
       ME.moved && assigned == me ->
       ME.moved = 0;
       mirror_epoch = ME.epoch;
       mirror_offset[X] = ME.offset[X];
       mirror_offset[Y] = ME.offset[Y];
       printf("worker %d: mirrors its offsets X %d, Y %d and epoch %d to Kafka\n", me, ME.offset[X], ME.offset[Y],
              ME.epoch)
     }
#endif
  od
}

/* ---- everything else that happens -------------------------------------------------------------------------------- */

inline StartAgain() {
  for (kept : 0 .. 1) {
    if
    :: worker[kept].phase == refused -> worker[kept].phase = idle
    :: else
    fi
  };
  skip
}
#define SOME_REFUSED (worker[0].phase == refused || worker[1].phase == refused)

proctype Surroundings() {
end:
  do
  :: d_step {
       faults && worker[1 - assigned].phase != refused ->
       faults--;
       assigned = 1 - assigned;
       printf("group: the task is worker %d's from now on\n", assigned);
       /* Kafka gives nobody a task anew before it has heard that it lost it. */
       Forget(assigned)
     }
  :: d_step {
       faults && !clock_back ->
       faults--;
       clock_back = true;
       printf("clock: steps back\n")
     }
#ifdef RESTORES
  :: d_step {
       faults && !backed_up && store.epoch ->
       faults--;
       backed_up = true;
       BackUp();
       printf("operator: backs the store up\n")
     }
  :: d_step {
       backed_up && !restored && !undone && (store.epoch != aside.epoch || store.emit != aside.emit) ->
       restored = true;
       cut = true;
       SwapStores();
       ForgetInDoubt();
       Forget(assigned);
       printf("operator: puts the backup back, offsets X %d, Y %d; restarts worker %d\n", store.offset[X],
              store.offset[Y], assigned);
       if
       :: STORE_IS_BEHIND
       :: else ->
          PROBE(restore_was_not_noticed);
          replay = true;
          handled = RECORDS_BEFORE(store.offset);
          ForgetAside()
       fi
     }
  :: d_step {
       SOME_REFUSED && restored && !replay ->
       PROBE(restore_was_undone);
       printf("operator: brings the newer store back\n");
       restored = false;
       undone = true;
       cut = true;
       SwapStores();
       ForgetAside();
       StartAgain()
     }
  :: d_step {
       SOME_REFUSED && undone -> StartAgain()
     }
  :: d_step {
       SOME_REFUSED && restored ->
       PROBE(restore_was_adopted);
       printf("operator: says to go on with the older store\n");
       adopt = true;
       replay = true;
       handled = RECORDS_BEFORE(store.offset);
       ForgetAside();
       StartAgain()
     }
#endif
  :: d_step {
       faults ->
       faults = 0;
       printf("-- from here on nothing goes wrong\n")
     }
  od
}

/* Once nothing goes wrong any more and nothing is left to do, everything has arrived, or visibly waits behind a gap. */
proctype AtRest() {
  atomic {
    timeout ->
    DEMAND(store.offset[X] == RECORDS(X) && store.offset[Y] == RECORDS(Y) && handled == RECORDS_BEFORE(store.offset),
           "VIOLATED: every record is handled\n");
    DEMAND(store.rows == 0, "VIOLATED: the outbox is sent and dropped\n");
    DEMAND(store.taken[A] == store.decisions[A] || lost[A], "VIOLATED: every event reaches downstream from A\n");
    DEMAND(store.taken[B] == store.decisions[B] || lost[B], "VIOLATED: every event reaches downstream from B\n");
    PROBE(came_to_rest)
  }
}

init {
  atomic {
    byte w = 0;
    do
    :: w < 2 ->
       run Owning(w);
       run Committing(w, X);
       run Committing(w, Y);
       run Committing(w, TIDY);
       run Publishing(w, A);
       run Publishing(w, B);
       run Broker(w);
       w++
    :: else -> break
    od;
    run Database();
    run Surroundings();
    run AtRest()
  }
}
