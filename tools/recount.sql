-- The metrics of `standard-1`, counted anew from records: one case a row, with the moment that puts it into
-- a window (`falls_at`), and that of the evidence where the numerator rests on something that happened later.
--
-- Written from the definitions in docs/scores.md, not from the program that it checks. Filled in before: `records`, one
-- order, chat session or shop a row, as `python -m sandbox replay --records` writes them; the session's zone is UTC.

CREATE VIEW orders AS SELECT *, promised.ship_by AS ship_by, promised.deliver_by AS deliver_by
FROM records WHERE kind = 'order' AND pack = 'standard';

CREATE VIEW sessions AS SELECT * FROM records WHERE kind = 'session' AND pack = 'standard';

CREATE VIEW shops AS SELECT * FROM records WHERE kind = 'shop' AND pack = 'standard';

-- ---------------------------------------------------------------- what orders consist of

CREATE VIEW scans AS
WITH parcels AS (SELECT shop, order_id, unnest(map_entries(parcels)) AS parcel FROM orders),
told AS (SELECT shop, order_id, parcel.key AS number, unnest(parcel.value.scans) AS scan FROM parcels)
SELECT shop, order_id, number, scan."at" AS happened_at, scan.status, scan.code, scan.text_digest, scan.signed_by
FROM told;

CREATE VIEW reviews AS
WITH told AS (SELECT shop, order_id, unnest(map_values(reviews)) AS review FROM orders)
SELECT shop, order_id, review.posted_at, review.stars FROM told
WHERE review.stars IS NOT NULL AND NOT review.removed;

CREATE VIEW refunds AS
WITH told AS (SELECT shop, order_id, zone, unnest(map_entries(refunds)) AS refund FROM orders)
SELECT shop, order_id, zone, refund.key AS refund_id, refund.value.requested_at, refund.value.reason,
    refund.value.decisions
FROM told;

CREATE VIEW steps AS
WITH told AS (SELECT shop, order_id, unnest(map_values(steps)) AS step FROM orders)
SELECT shop, order_id, step.kind, step.opened_at, step.closed_at, step.refund_id FROM told
WHERE step.opened_at IS NOT NULL;

CREATE VIEW negotiations AS
WITH told AS (SELECT shop, order_id, zone, unnest(map_values(cases)) AS negotiation FROM orders)
SELECT shop, order_id, zone, negotiation.* FROM told;

-- ---------------------------------------------------------------- milestones

-- Whatever proves that the carrier has it is a pickup; of several parcels the first scan of any counts.
CREATE VIEW pickups AS
SELECT shop, order_id, min(happened_at) AS happened_at FROM scans
WHERE status IN ('picked_up', 'in_transit', 'out_for_delivery', 'delivery_failed', 'ready_for_pickup', 'delivered',
    'return_started', 'returned')
GROUP BY shop, order_id;

CREATE VIEW deliveries AS
SELECT shop, order_id, happened_at, signed_by FROM scans WHERE status = 'delivered'
QUALIFY row_number() OVER (PARTITION BY shop, order_id ORDER BY happened_at, number, code, text_digest) = 1;

CREATE VIEW known AS
SELECT orders.*, pickups.happened_at AS picked_up_at, deliveries.happened_at AS delivered_at, deliveries.signed_by,
    coalesce(cancelled_at <= ship_by, false) AS called_off
FROM orders LEFT JOIN pickups USING (shop, order_id) LEFT JOIN deliveries USING (shop, order_id);

CREATE MACRO whole_seconds(since, until) AS greatest(0, epoch_us(until) - epoch_us(since)) // 1000000;

-- ---------------------------------------------------------------- logistics

CREATE VIEW of_logistics AS
SELECT shop, zone, 'on_time_pickup' AS metric, ship_by AS falls_at, (picked_up_at <= ship_by)::INT AS numerator,
    1 AS denominator, NULL::TIMESTAMPTZ AS evidence_at
FROM known WHERE ship_by IS NOT NULL AND NOT called_off
UNION ALL
SELECT shop, zone, 'on_time_delivery', deliver_by, (delivered_at <= deliver_by)::INT, 1, NULL
FROM known WHERE deliver_by IS NOT NULL
UNION ALL
SELECT shop, zone, 'ship_hours', picked_up_at, whole_seconds(paid_at, picked_up_at), 1, NULL
FROM known WHERE paid_at IS NOT NULL AND picked_up_at IS NOT NULL AND NOT called_off
UNION ALL
SELECT shop, zone, 'arrival_hours', delivered_at, whole_seconds(paid_at, delivered_at), 1, NULL
FROM known WHERE paid_at IS NOT NULL AND delivered_at IS NOT NULL
UNION ALL
SELECT shop, zone, 'door_delivery', delivered_at, (signed_by IN ('recipient', 'household'))::INT, 1, NULL
FROM known WHERE delivered_at IS NOT NULL AND promised.door_delivery
UNION ALL
SELECT shop, zone, 'pickup_24h', paid_at + INTERVAL 24 HOUR, (picked_up_at <= paid_at + INTERVAL 24 HOUR)::INT, 1, NULL
FROM known WHERE paid_at IS NOT NULL AND NOT called_off
UNION ALL
SELECT shop, zone, 'next_day_share', delivered_at,
    (timezone(zone, delivered_at)::DATE <= timezone(zone, paid_at)::DATE + 1)::INT, 1, NULL
FROM known WHERE paid_at IS NOT NULL AND delivered_at IS NOT NULL
UNION ALL
SELECT shop, zone, 'valid_orders', paid_at, (NOT called_off)::INT, 1, NULL FROM known WHERE paid_at IS NOT NULL;

-- Paid at 16:00 or later, an order has until the midnight after the next day.
CREATE VIEW of_today AS
WITH paid AS (
    SELECT shop, zone, picked_up_at, timezone(zone, paid_at) AS local
    FROM known WHERE paid_at IS NOT NULL AND NOT called_off
),
ended AS (
    SELECT shop, zone, picked_up_at,
        timezone(zone, (local::DATE + CASE WHEN hour(local) < 16 THEN 1 ELSE 2 END)::TIMESTAMP) AS midnight
    FROM paid
)
SELECT shop, zone, 'pickup_today' AS metric, midnight AS falls_at, (picked_up_at < midnight)::INT AS numerator,
    1 AS denominator, NULL::TIMESTAMPTZ AS evidence_at
FROM ended;

-- A stalled parcel counts from when it passed the limit for breaches. Words are what was said of an anomaly, in order:
-- raised 0, escalated 1, cleared 2. What was withdrawn, or only warned of, takes back all that was said before; of a
-- raised or cleared anomaly the time is that of the breach, of an escalated one that of its own stage.
CREATE VIEW of_anomalies AS
WITH anomalies AS (
    SELECT shop, order_id, unnest(map_entries(anomalies)) AS anomaly FROM orders
),
told AS (
    SELECT shop, order_id, anomaly.key AS anomaly_id, unnest(anomaly.value.words) AS word
    FROM anomalies WHERE anomaly.value.kind = 'stalled'
),
words AS (
    SELECT shop, order_id, anomaly_id, word.step, word.crossed_at,
        row_number() OVER said AS place,
        max(CASE WHEN word.withdrawn OR word.stage NOT IN ('breach', 'serious') THEN 1 ELSE 0 END) OVER later AS void
    FROM told
    WINDOW said AS (PARTITION BY shop, order_id, anomaly_id ORDER BY word.sequence, word.step),
        later AS (PARTITION BY shop, order_id, anomaly_id ORDER BY word.sequence, word.step
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
breaches AS (
    SELECT shop, order_id, anomaly_id,
        coalesce(arg_max(crossed_at, place) FILTER (step <> 1), arg_min(crossed_at, place)) AS crossed_at
    FROM words WHERE void = 0 GROUP BY shop, order_id, anomaly_id
),
stalled AS (SELECT shop, order_id, min(crossed_at) AS crossed_at FROM breaches GROUP BY shop, order_id)
SELECT shop, zone, 'trace_anomalies' AS metric, ship_by AS falls_at, (crossed_at IS NOT NULL)::INT AS numerator,
    1 AS denominator, crossed_at AS evidence_at
FROM known LEFT JOIN stalled USING (shop, order_id) WHERE ship_by IS NOT NULL AND NOT called_off;

-- ---------------------------------------------------------------- what buyers say

CREATE VIEW complaints AS
SELECT shop, order_id, posted_at AS happened_at, 'review' AS reason FROM reviews WHERE stars <= 2
UNION ALL
SELECT shop, order_id, requested_at, reason FROM refunds WHERE requested_at IS NOT NULL
    AND reason IN ('quality', 'damaged', 'not_as_described', 'wrong_item', 'missing', 'fake');

CREATE VIEW of_feedback AS
SELECT shop, zone, 'positive_rating' AS metric, posted_at AS falls_at, (stars >= 4)::INT AS numerator,
    1 AS denominator, NULL::TIMESTAMPTZ AS evidence_at
FROM reviews JOIN orders USING (shop, order_id)
UNION ALL
SELECT shop, any_value(zone), 'negative_feedback', any_value(delivered_at), (count(complaints.happened_at) > 0)::INT, 1,
    min(complaints.happened_at)
FROM known LEFT JOIN complaints USING (shop, order_id) WHERE delivered_at IS NOT NULL GROUP BY shop, order_id
UNION ALL
SELECT shop, any_value(zone), 'damage_returns', any_value(delivered_at), (count(damage.happened_at) > 0)::INT, 1,
    min(damage.happened_at)
FROM known LEFT JOIN (SELECT * FROM complaints WHERE reason = 'damaged') AS damage USING (shop, order_id)
WHERE delivered_at IS NOT NULL GROUP BY shop, order_id;

-- ---------------------------------------------------------------- refunds

-- The seller's first: told twice, a refusal that was held right was held right.
CREATE VIEW decisions AS
WITH told AS (SELECT shop, order_id, zone, refund_id, requested_at, unnest(decisions) AS decision FROM refunds)
SELECT shop, order_id, zone, refund_id, requested_at, decision."at" AS happened_at, decision.outcome, decision.justified
FROM told
WHERE decision.by_shop AND decision.outcome IN ('agreed', 'refused', 'refunded')
QUALIFY row_number() OVER (PARTITION BY shop, order_id, refund_id ORDER BY decision."at", decision.justified DESC) = 1;

-- When it was not in the seller's hands: the platform had stepped in, it was the buyer's turn, or it was night.
CREATE VIEW pauses AS
SELECT decisions.shop, decisions.order_id, decisions.refund_id, opened_at AS since, closed_at AS until
FROM decisions JOIN steps ON steps.shop = decisions.shop AND steps.order_id = decisions.order_id
    AND (steps.refund_id IS NULL OR steps.refund_id = decisions.refund_id)
UNION ALL
SELECT shop, order_id, refund_id, turn[1], turn[2]
FROM (SELECT shop, order_id, refund_id, unnest(map_values(turns)) AS turn FROM negotiations) WHERE turn[1] IS NOT NULL
UNION ALL
SELECT shop, order_id, refund_id, timezone(zone, day + INTERVAL 23 HOUR), timezone(zone, day + INTERVAL 32 HOUR)
FROM (
    SELECT shop, order_id, refund_id, zone,
        unnest(generate_series(timezone(zone, requested_at)::DATE - INTERVAL 1 DAY, timezone(zone, happened_at),
            INTERVAL 1 DAY)) AS day
    FROM decisions WHERE requested_at IS NOT NULL
);

CREATE VIEW of_refunds AS
WITH cut AS (
    SELECT shop, order_id, refund_id, greatest(since, requested_at) AS since,
        least(coalesce(until, happened_at), happened_at) AS until
    FROM decisions JOIN pauses USING (shop, order_id, refund_id)
),
apart AS (
    SELECT shop, order_id, refund_id, until, greatest(since, max(until) OVER earlier) AS since
    FROM cut WHERE since < until
    WINDOW earlier AS (PARTITION BY shop, order_id, refund_id ORDER BY since, until
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
paused AS (
    SELECT shop, order_id, refund_id, sum(greatest(0, epoch_us(until) - epoch_us(since))) AS microseconds
    FROM apart GROUP BY shop, order_id, refund_id
)
SELECT shop, zone, 'refund_hours' AS metric, happened_at AS falls_at,
    greatest(0, epoch_us(happened_at) - epoch_us(requested_at) - coalesce(microseconds, 0)) // 1000000 AS numerator,
    1 AS denominator, NULL::TIMESTAMPTZ AS evidence_at
FROM decisions LEFT JOIN paused USING (shop, order_id, refund_id) WHERE requested_at IS NOT NULL
UNION ALL
SELECT shop, zone, 'refund_refusals', happened_at, (outcome = 'refused' AND NOT justified)::INT, 1, NULL FROM decisions
UNION ALL
SELECT shop, zone, 'justified_refusals', happened_at, (outcome = 'refused' AND justified)::INT, 1, NULL FROM decisions;

-- ---------------------------------------------------------------- the platform, and negotiations

CREATE VIEW of_platform AS
SELECT shop, zone, 'platform_help' AS metric, paid_at AS falls_at, 0 AS numerator, 1 AS denominator,
    NULL::TIMESTAMPTZ AS evidence_at
FROM orders WHERE paid_at IS NOT NULL
UNION ALL
SELECT shop, any_value(zone), 'platform_help', min(opened_at), 1, 0, NULL
FROM steps JOIN orders USING (shop, order_id) GROUP BY shop, order_id, steps.kind;

-- Whatever says that the buyer was not content after all.
CREATE VIEW regrets AS
SELECT shop, order_id, NULL AS refund_id, posted_at AS happened_at FROM reviews WHERE stars <= 2
UNION ALL
SELECT shop, order_id, refund_id, requested_at FROM refunds WHERE requested_at IS NOT NULL
UNION ALL
SELECT shop, order_id, NULL, opened_at FROM steps WHERE kind = 'dispute';

CREATE VIEW of_negotiations AS
WITH asked AS (
    SELECT * FROM negotiations
    WHERE trigger = 'refund_requested' AND arm IN ('offer', 'hold_out') AND opened_at IS NOT NULL
),
withdrawn AS (
    SELECT shop, order_id, refund_id, min(decision."at") AS happened_at
    FROM (SELECT shop, order_id, refund_id, unnest(decisions) AS decision FROM refunds)
    WHERE decision.outcome = 'withdrawn' GROUP BY shop, order_id, refund_id
),
ended AS (
    SELECT asked.*,
        CASE WHEN arm = 'hold_out' THEN withdrawn.happened_at WHEN outcome = 'kept' THEN closed_at END AS kept_at
    FROM asked LEFT JOIN withdrawn USING (shop, order_id, refund_id)
)
SELECT shop, zone, 'net_keep_rate.' || arm AS metric, opened_at AS falls_at,
    (kept_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM regrets
        WHERE regrets.shop = ended.shop AND regrets.order_id = ended.order_id
            AND regrets.refund_id IS DISTINCT FROM coalesce(ended.refund_id, '')
            AND regrets.happened_at > ended.opened_at AND regrets.happened_at <= ended.opened_at + INTERVAL 360 HOUR
    ))::INT AS numerator,
    1 AS denominator, kept_at AS evidence_at
FROM ended;

-- ---------------------------------------------------------------- chats

-- A round is the buyer's first unanswered message up to the first reply of a human, or with a human's help. Of one
-- moment the question comes first.
CREATE VIEW written_rounds AS
WITH told AS (
    SELECT shop, session_id, zone, unnest(map_values(messages)) AS message FROM sessions WHERE cardinality(rounds) = 0
),
messages AS (
    SELECT shop, session_id, zone, message."at" AS happened_at, message.sender,
        message.sender IN ('human', 'assisted') AS replies,
        row_number() OVER (PARTITION BY shop, session_id ORDER BY message."at", message.sender <> 'buyer') AS place
    FROM told
),
numbered AS (
    -- a reply ends its round and is part of it
    SELECT *, coalesce(sum(replies::INT) OVER (PARTITION BY shop, session_id ORDER BY place
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS round
    FROM messages
),
asked AS (
    SELECT shop, session_id, round, min(place) AS first_place, min(happened_at) AS asked_at
    FROM numbered WHERE sender = 'buyer'
    GROUP BY shop, session_id, round
)
SELECT shop, session_id, any_value(zone) AS zone, any_value(asked_at) AS asked_at,
    min(happened_at) FILTER (replies) AS answered_at,
    CASE WHEN bool_or(replies) THEN 'human' WHEN bool_or(sender = 'bot' AND place > first_place) THEN 'bot'
        ELSE 'none' END AS answered_by
FROM numbered JOIN asked USING (shop, session_id, round) GROUP BY shop, session_id, round;

CREATE VIEW counted_rounds AS
WITH closed AS (SELECT shop, session_id, zone, unnest(map_values(rounds)) AS round FROM sessions),
every AS (
    SELECT shop, zone, asked_at, answered_at, answered_by FROM written_rounds
    UNION ALL
    SELECT shop, zone, round.asked_at, round.answered_at, round.answered_by FROM closed
)
SELECT * FROM every WHERE answered_by <> 'bot' AND hour(timezone(zone, asked_at)) BETWEEN 8 AND 22;

CREATE VIEW of_chats AS
SELECT shop, zone, 'reply_3min' AS metric, asked_at AS falls_at,
    (answered_by IN ('human', 'assisted') AND answered_at <= asked_at + INTERVAL 180 SECOND)::INT AS numerator,
    1 AS denominator, NULL::TIMESTAMPTZ AS evidence_at
FROM counted_rounds
UNION ALL
SELECT shop, zone, 'reply_seconds', asked_at,
    CASE WHEN answered_at IS NULL THEN 600 ELSE least(600, whole_seconds(asked_at, answered_at)) END, 1, NULL
FROM counted_rounds
UNION ALL
SELECT shop, zone, 'chat_satisfaction', rating.rated_at,
    (rating.satisfied AND rating.resolved IS DISTINCT FROM false)::INT, 1, NULL
FROM sessions WHERE rating IS NOT NULL;

-- ---------------------------------------------------------------- services

CREATE VIEW of_services AS
SELECT shop, zone, 'service.' || mark AS metric, paid_at AS falls_at, 1 AS numerator, 0 AS denominator,
    NULL::TIMESTAMPTZ AS evidence_at
FROM (SELECT shop, zone, paid_at, unnest(marks) AS mark FROM known WHERE NOT called_off)
WHERE paid_at IS NOT NULL AND mark IN ('freight_insurance', 'category_service');

CREATE TABLE cases AS
SELECT * FROM of_logistics UNION ALL SELECT * FROM of_today UNION ALL SELECT * FROM of_anomalies
UNION ALL SELECT * FROM of_feedback UNION ALL SELECT * FROM of_refunds UNION ALL SELECT * FROM of_platform
UNION ALL SELECT * FROM of_negotiations UNION ALL SELECT * FROM of_chats UNION ALL SELECT * FROM of_services;

-- ---------------------------------------------------------------- days and weeks

-- A day counts all that is known of it.
CREATE TABLE counted_days AS
SELECT cases.shop, timezone(cases.zone, falls_at)::DATE::VARCHAR AS period, metric,
    sum(coalesce(numerator, 0))::BIGINT AS numerator, sum(denominator)::BIGINT AS denominator
FROM cases JOIN shops USING (shop) WHERE timezone(cases.zone, falls_at)::DATE <= shops.counted_to
GROUP BY ALL;

CREATE VIEW weeks AS
SELECT shop, zone, unnest(generate_series(
    date_trunc('week', (SELECT min(timezone(cases.zone, falls_at)) FROM cases WHERE cases.shop = shops.shop))
        + INTERVAL 7 DAY, published_to, INTERVAL 7 DAY)) AS ends
FROM shops WHERE published_to IS NOT NULL;

-- The 30 days before the end; negotiations a fortnight and a day earlier. What happened after the end is not known yet.
CREATE TABLE counted_weeks AS
WITH windows AS (
    SELECT shop, ends, timezone(zone, ends) AS until,
        timezone(zone, ends - INTERVAL 30 DAY) AS first, until AS last,
        timezone(zone, ends - INTERVAL 45 DAY) AS first_kept, timezone(zone, ends - INTERVAL 15 DAY) AS last_kept
    FROM weeks
)
SELECT shop, strftime(ends - INTERVAL 1 DAY, '%G-W%V') AS period, metric,
    sum(CASE WHEN evidence_at IS NULL OR evidence_at < until THEN coalesce(numerator, 0) ELSE 0 END)::BIGINT
        AS numerator,
    sum(denominator)::BIGINT AS denominator
FROM windows JOIN cases USING (shop)
WHERE CASE WHEN starts_with(metric, 'net_keep_rate.') THEN falls_at >= first_kept AND falls_at < last_kept
    ELSE falls_at >= first AND falls_at < last END
    AND NOT starts_with(metric, 'service.')
GROUP BY ALL;
