"""Proves from a History that nothing was lost, doubled or swapped: `check` returns what is wrong, one sentence each.

It knows the services only by what they promise; how they keep the promise it does not ask.
"""

import collections

from auditor import LEDGER_EVENTS, check_auditor, from_elsewhere
from history import History
from saga import (
    AFTER,
    FOLLOWERS,
    ORDER_EVENTS,
    PAYMENT_EVENTS,
    answers,
    by_key,
    check_products,
    check_sagas,
    check_shipping_calls,
    total_of,
)

USER_EVENTS = "user.events.v1"
NOTIFICATION_EVENTS = "notification.events.v1"

# The gateway's reason where a command certainly did not reach the log.
NOT_ACCEPTED = "NOT_ACCEPTED"
# Of which users are told.
TOLD = ("OrderConfirmed", "OrderRejected", "OrderShipped", "OrderDelivered", "OrderCancelled")
MERCHANTS = 5


def check(history: History) -> list[str]:
    wrong = []
    check_commands(history, wrong)
    answer_from_the_ledger(history)
    taken = {
        topic: take(topic, [event for event in events if not from_elsewhere(event)], wrong)
        for topic, events in history.events.items()
    }
    check_calls(history, wrong)
    check_orders(history, taken, wrong)
    check_sagas(history, taken, wrong)
    check_products(history, taken, wrong)
    check_shipping_calls(history, taken, wrong)
    check_users(history, taken, wrong)
    check_notifications(history, taken, wrong)
    check_auditor(history, taken, wrong)
    check_timers(history, wrong)
    check_accounts(history, taken, wrong)
    return wrong


def check_commands(history, wrong):
    """What is on the log of commands was decided, also where nobody asked again, and for each key in the log's order."""
    first = {}
    for command in history.commands:
        first.setdefault(command.request_id, command)
    for request_id, command in first.items():
        if request_id not in history.replies:
            wrong.append(f"{request_id} is at {command.topic}/{command.partition}/{command.offset} and was not decided")
    for request_id in history.replies.keys() - first.keys():
        wrong.append(f"{request_id} was decided and is on no topic of commands")
    for call in history.calls:
        check_command_of(call, first, history.replies, wrong)
    check_order_of_commands(first.values(), history.replies, wrong)


def check_command_of(call, commands, replies, wrong):
    request_id = call.request["request_id"]
    stored = replies.get(request_id)
    if request_id not in commands:
        if call.accepted_id or (call.answer is not None and "error" not in call.answer):
            wrong.append(f"{call.method} {request_id} was accepted, and is on no topic of commands")
    elif call.once and NOT_ACCEPTED in call.problem:
        wrong.append(f"{call.method} {request_id} is on the log, and its caller was told that it is not")
    if call.answer is not None and stored is not None and not answers_alike(call.answer, stored):
        wrong.append(f"{call.method} {request_id} was answered {call.answer}, and {stored} is kept for a repeat")
    if call.accepted_id and stored is not None and stored.get("id", call.accepted_id) != call.accepted_id:
        wrong.append(f"{call.method} {request_id} was accepted as {call.accepted_id}, and became {stored['id']}")


def answers_alike(answer, stored):
    """Personal data is sealed in what is kept."""
    return answer == stored if "email" not in stored else answer.get("id") == stored["id"]


def check_order_of_commands(commands, replies, wrong):
    """An answer shows the revision of what it was decided on."""
    last = {}
    for command in commands:
        revision = int(replies.get(command.request_id, {}).get("revision", 0))
        place = (command.topic, command.key)
        if revision and revision < last.get(place, 0):
            wrong.append(
                f"key {command.key}: {command.request_id} was decided before a command that is in front of it on"
                f" {command.topic}"
            )
        last[place] = max(revision, last.get(place, 0))


def answer_from_the_ledger(history):
    """Gives calls that nobody repeated the answer that they would have had; what follows looks at them like at others."""
    for call in history.calls:
        if call.once and call.answer is None:
            call.answer = history.replies.get(call.request["request_id"])


def take(topic, events, wrong):
    """What a subscriber takes: each event once, behind its predecessor, by the rule of the watermark."""
    taken = []
    marks = {}
    seen = {}
    waiting = collections.defaultdict(list)

    def accept(event, lane):
        marks[lane] = event.sequence
        seen[lane, event.sequence] = event
        taken.append(event)

    for event in events:
        lane = (event.partition, event.source)
        mark = marks.get(lane, "")
        if event.sequence <= mark:
            first = seen.get((lane, event.sequence))
            if first is None:
                wrong.append(f"{topic}: {event.id} comes behind a later event of {event.source}")
            elif (first.id, first.key, first.fields) != (event.id, event.key, event.fields):
                wrong.append(f"{topic}: {event.source} sent {event.sequence} again with other content")
            continue
        if event.previous > mark:
            waiting[lane].append(event)
            continue
        accept(event, lane)
        for held in sorted(waiting[lane], key=lambda one: one.sequence):
            if held.previous <= marks[lane] < held.sequence:
                accept(held, lane)
        waiting[lane] = [held for held in waiting[lane] if held.sequence > marks[lane]]
    for (partition, source), held in waiting.items():
        for event in held:
            wrong.append(f"{topic}/{partition}: {event.id} of {source}: its predecessor {event.previous} is missing")
    ids = collections.Counter(event.id for event in taken)
    wrong += [f"{topic}: {event_id} is there as {count} events" for event_id, count in ids.items() if count > 1]
    return taken


def check_calls(history, wrong):
    first = {}
    asked = {}
    for call in history.calls:
        request_id = call.request["request_id"]
        if call.once and call.answer is None:
            continue
        asked[request_id] = call
        if call.answer is None:
            continue
        if request_id not in first:
            first[request_id] = call.answer
        elif first[request_id] != call.answer:
            wrong.append(f"{call.method} {request_id} was answered {first[request_id]}, and later {call.answer}")
    for request_id, call in asked.items():
        if request_id not in first:
            wrong.append(f"{call.method} {request_id} was never answered: {call.problem}")


def check_orders(history, taken, wrong):
    lives = by_key(taken.get(ORDER_EVENTS, []))
    created = answers(history, "CreateOrder")
    asked_to_cancel = {call.request["id"] for call in history.calls if call.method == "CancelOrder"}
    answered = {}
    for request_id, call in created.items():
        order = call.answer
        if "error" in order:
            wrong.append(f"CreateOrder {request_id} was refused: {order['error']}")
        elif order["id"] in answered:
            wrong.append(f"order {order['id']} answers two requests")
        else:
            answered[order["id"]] = call
    for order_id in answered.keys() - lives.keys():
        wrong.append(f"order {order_id} was answered and has no events")
    for order_id, events in lives.items():
        types = [event.type for event in events]
        if any(later not in FOLLOWERS.get(earlier, ()) for earlier, later in zip([None, *types], types)):
            wrong.append(f"order {order_id} has the events {types}")
        if [int(event.fields["revision"]) for event in events] != list(range(1, len(events) + 1)):
            wrong.append(f"order {order_id}: its events are not in the order in which they were decided")
        if order_id not in answered:
            wrong.append(f"order {order_id} was never asked for")
            continue
        if events[0].fields.get("lines") != answered[order_id].answer["lines"]:
            wrong.append(f"order {order_id} was decided with other lines than answered")
        # A parcel that comes back cancels its order by itself.
        called_off = "OrderCancelRequested" in types or ("OrderCancelled" in types and "OrderShipped" not in types)
        if called_off and order_id not in asked_to_cancel:
            wrong.append(f"order {order_id} was cancelled and nobody asked")
    check_answers(created, "CreateOrder", lives, wrong)
    check_answers(answers(history, "CancelOrder"), "CancelOrder", lives, wrong)
    check_stored_orders(history, lives, wrong)


def check_answers(calls, method, lives, wrong):
    """Each answer shows the order as it was after one of its events, one that the call may be answered with."""
    states = {"CreateOrder": ("ORDER_STATE_PENDING",), "CancelOrder": ("ORDER_STATE_CONFIRMED", "ORDER_STATE_CANCELLED")}
    for request_id, call in calls.items():
        order = call.answer
        types = [event.type for event in lives.get(call.request.get("id", order.get("id")), [])]
        if "error" in order:
            too_late = order["error"] == "FAILED_PRECONDITION" and {"OrderShipped", "OrderRejected"} & set(types)
            if method == "CancelOrder" and not too_late:
                wrong.append(f"CancelOrder {request_id} was refused: {order['error']}; the order's events are {types}")
            continue
        revision = int(order["revision"])
        shown = (order["state"], order["stock_reserved"], order["cancel_requested"])
        if not 0 < revision <= len(types) or AFTER.get(types[revision - 1]) != shown:
            wrong.append(f"{method} {request_id} was answered {shown} at revision {revision} of {types}")
        elif order["state"] not in states[method] or (method == "CancelOrder" and shown == AFTER["OrderConfirmed"]):
            wrong.append(f"{method} {request_id} was answered {shown}, which says nothing of what was asked")


def check_stored_orders(history, lives, wrong):
    stored = {}
    for order in history.orders:
        if order["id"] in stored:
            wrong.append(f"order {order['id']} is listed twice")
        stored[order["id"]] = order
    for order_id in lives.keys() - stored.keys():
        wrong.append(f"order {order_id} is not in the store")
    for order_id in stored.keys() - lives.keys():
        wrong.append(f"order {order_id} is in the store and has no events")
    for order_id in stored.keys() & lives.keys():
        last = lives[order_id][-1]
        order = stored[order_id]
        shown = (order["state"], order["stock_reserved"], order["cancel_requested"])
        if shown != AFTER.get(last.type) or order["revision"] != last.fields["revision"]:
            wrong.append(f"order {order_id} is {shown} at {order['revision']} in the store; its last event is {last.type}")
        if order.get("total") != total_of(lives[order_id]):
            wrong.append(f"order {order_id} has another total in the store than in its events")


def check_users(history, taken, wrong):
    opened = {}
    contended = collections.defaultdict(list)
    for call in answers(history, "RegisterUser").values():
        contended[call.request["email"]].append(call.answer)
        if "error" not in call.answer:
            opened[call.answer["id"]] = call.request["email"]
    for email, outcomes in contended.items():
        winners = [outcome for outcome in outcomes if "error" not in outcome]
        if len(winners) != 1:
            wrong.append(f"{len(winners)} accounts were opened for {email}")
    registered = collections.Counter(event.key for event in taken.get(USER_EVENTS, []))
    listed = collections.Counter(user["id"] for user in history.users)
    for what, counts in (("events", registered), ("the list", listed)):
        for user_id in opened.keys() - counts.keys():
            wrong.append(f"user {user_id} is not in {what}")
        for user_id, count in counts.items():
            if user_id not in opened:
                wrong.append(f"user {user_id} is in {what} and nobody was told")
            if count > 1:
                wrong.append(f"user {user_id} is in {what} {count} times")


def check_notifications(history, taken, wrong):
    causes = {event.id for event in taken.get(USER_EVENTS, [])}
    causes |= {event.id for event in taken.get(ORDER_EVENTS, []) if event.type in TOLD}
    causes |= {event.id for event in taken.get(PAYMENT_EVENTS, []) if event.type == "PaymentRefunded"}
    told = collections.Counter(notification["event_id"] for notification in history.notifications)
    said = collections.Counter(
        event.fields["notification"]["event_id"]
        for event in taken.get(NOTIFICATION_EVENTS, [])
        if event.type == "NotificationCreated"
    )
    for what, counts in (("notification", told), ("event of a notification", said)):
        wrong += [f"there is no {what} of {event_id}" for event_id in causes - counts.keys()]
        wrong += [f"there is a {what} of {event_id}, which is no event" for event_id in counts.keys() - causes]
        wrong += [f"there are {count} {what}s of {event_id}" for event_id, count in counts.items() if count > 1]


def check_timers(history, wrong):
    wrong += [f"a timer of {key} in {group} is still set" for group, key in history.timers]


def check_accounts(history, taken, wrong):
    balances = collections.Counter()
    causes = collections.defaultdict(set)
    charges = {}
    for event in taken.get(ORDER_EVENTS, []):
        if event.type == "OrderConfirmed":
            amount = charges[event.key] = int(event.fields["total"]["units"])
        elif event.type == "OrderCancelled" and event.key in charges:
            amount = -charges.pop(event.key)
        else:
            continue
        merchant = f"merchant-{ord(event.key[-1]) % MERCHANTS}"
        for account, change in ((event.fields["user_id"], -amount), (merchant, amount)):
            balances[account] += change
            causes[account].add(event.id)
    bookings = by_key(taken.get(LEDGER_EVENTS, []))
    for account in causes.keys() | history.accounts.keys() | bookings.keys():
        expected = (balances[account], len(causes[account]))
        if history.accounts.get(account) != expected:
            wrong.append(f"account {account} has (balance, bookings) {history.accounts.get(account)}, not {expected}")
        check_bookings(account, bookings.get(account, []), causes[account], wrong)
    for order_id in charges.keys() | history.charges.keys():
        if charges.get(order_id) != history.charges.get(order_id):
            wrong.append(f"order {order_id} was charged {history.charges.get(order_id)}, not {charges.get(order_id)}")
    total = sum(balance for balance, _ in history.accounts.values())
    if total != 0:
        wrong.append(f"all balances together are {total}, not 0")


def check_bookings(account, events, causes, wrong):
    numbers = [int(event.fields["number"]) for event in events]
    if not account.startswith("merchant-") and numbers != sorted(numbers):
        wrong.append(f"account {account}: its bookings are not in the order in which they were decided")
    if sorted(numbers) != list(range(1, len(causes) + 1)):
        wrong.append(f"account {account}: {len(causes)} bookings were due, {len(numbers)} are on the log")
    if {event.fields["cause"] for event in events} != causes:
        wrong.append(f"account {account}: its bookings have other causes than it should")
    balance = 0
    for event in sorted(events, key=lambda one: int(one.fields["number"])):
        balance += int(event.fields["amount"])
        if int(event.fields["balance"]) != balance:
            wrong.append(f"account {account}: its balance after booking {event.fields['number']} is off")
            return
