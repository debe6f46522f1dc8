-- Charge lines of one period, from the warehouse's own tables: whole numbers alone, HUGEINT where they multiply.
--
-- Written from semantics.md (sections 1, 2 and 5) and docs/billing.md, and from no line of warehouse/metrics.
-- For the overlap policy `union`. Of prices it knows increments, minimums, conversions, free hours, graduated and
-- volume tiers, and caps: packages are not in it.
--
-- Nulls come first. Parameters (SET VARIABLE): starts_on, ends_on, cut_off_ms, quantum (ms of one), newest_rate (NULL: none).
-- Besides the tables of the warehouse: rule (application, timeout_ms, signal, cpu_threshold, held_is_active,
-- buffer_ms), one row per application.

CREATE MACRO away(n, d) AS sign(n)::HUGEINT * ((2 * abs(n) + d) // (2 * d));  -- half away from zero; d > 0
CREATE MACRO common(a, b, c, d) AS greatest(0, least(b, d) - greatest(a, c));  -- what two stretches share
CREATE MACRO midnight_ms(zone, day) AS epoch_ms(timezone(zone, CAST(day AS TIMESTAMP)));
CREATE MACRO per_minor(currency) AS  -- rate units, 1/10,000, in one minor unit
    CASE WHEN currency IN ('JPY', 'KRW', 'ISK', 'CLP') THEN 10000 WHEN currency IN ('KWD', 'BHD', 'TND') THEN 10
    ELSE 100 END;
CREATE MACRO rounded_ms(ms, step, direction, minimum) AS greatest(
    CASE WHEN step = 0 THEN ms WHEN direction = 'up' THEN (ms + step - 1) // step * step
         WHEN direction = 'nearest' THEN (2 * ms + step) // (2 * step) * step ELSE ms // step * step END,
    CASE WHEN ms > 0 THEN minimum ELSE 0 END);

-- --- Evidence: sessions, segments, states ----------------------------------------------------------------------

CREATE TABLE used AS
SELECT session.id AS session, application.code AS application, application.id AS application_id,
       CASE WHEN NOT account.shared THEN account.person_id END AS person, session.zone AS host_zone
FROM session
JOIN application ON application.id = session.application_id AND application.billed
JOIN account ON account.id = session.account_id
WHERE session.received_ms <= getvariable('cut_off_ms')
  AND session.started_ms < midnight_ms('UTC', getvariable('ends_on')) + 86400000
  AND coalesce(session.ended_ms > midnight_ms('UTC', getvariable('starts_on')) - 86400000, TRUE);

-- attention: 0 input, 1 no_input, 2 background, 3 locked, 4 disconnected, 5 suspended, 6 held, 7 unobserved
CREATE TABLE watched AS
SELECT used.*, start_ms, end_ms, attention, instance, since_ms, rule.timeout_ms, rule.buffer_ms,
       attention NOT IN (5, 7) AND (
           attention = 0 OR (attention = 6 AND held_is_active) OR (signal = 'focus' AND attention = 1)
           OR (signal = 'presenting' AND inhibiting) OR (signal = 'input+cpu' AND cpu_percent >= cpu_threshold)
       ) AS is_active
FROM segment JOIN used ON used.session = segment.session_id JOIN rule USING (application)
WHERE segment.received_ms <= getvariable('cut_off_ms');

-- A gap is a maximal run of neighbors that are no activity and share one last input; unobserved time ends it.
CREATE TABLE marked AS
SELECT *, NOT is_active AND attention <> 7 AS in_gap,
       coalesce(lag(NOT is_active AND attention <> 7) OVER w
                AND lag(end_ms) OVER w = start_ms AND lag(since_ms) OVER w = since_ms, FALSE) AS goes_on
FROM watched WINDOW w AS (PARTITION BY session ORDER BY start_ms);

CREATE TABLE gapped AS
SELECT *, sum(CASE WHEN in_gap AND goes_on THEN 0 ELSE 1 END) OVER (PARTITION BY session ORDER BY start_ms) AS gap
FROM marked;

CREATE TABLE stated AS
SELECT *, min(start_ms) OVER g AS gap_ms,
       CASE WHEN is_active THEN 'active' WHEN attention = 7 THEN 'unknown' WHEN attention = 5 THEN 'suspended'
            WHEN attention = 6 THEN 'held' WHEN attention IN (3, 4) THEN 'idle'
            WHEN max(end_ms) OVER g - min(start_ms) OVER g >= timeout_ms THEN 'idle' ELSE 'pause' END AS state
FROM gapped WINDOW g AS (PARTITION BY session, gap);

-- --- Local days of the person's home office at the time of use ---------------------------------------------------

CREATE TABLE belonging AS
SELECT person_id AS person, office.code AS office, department.code AS department, department.id AS department_id,
       office.id AS office_id, cost_center.code AS cost_center, office.zone,
       midnight_ms(office.zone, valid_from_on) AS begins_ms
FROM placement JOIN office ON office.id = office_id
LEFT JOIN department ON department.id = department_id LEFT JOIN cost_center ON cost_center.id = cost_center_id;

CREATE TABLE placed AS
SELECT stated.*, office, office_id, department_id, cost_center,
       CAST(timezone(coalesce(zone, host_zone), make_timestamptz(start_ms * 1000)) AS DATE) AS day
FROM stated ASOF LEFT JOIN belonging
  ON stated.person = belonging.person AND stated.start_ms >= belonging.begins_ms;

CREATE TABLE usage AS  -- a segment lies inside a quarter of an hour, and so inside one day of any zone
SELECT *, CASE WHEN NOT single THEN -2 ELSE coalesce(last_value(instance IGNORE NULLS) OVER (
           PARTITION BY session ORDER BY start_ms ROWS UNBOUNDED PRECEDING), -1) END AS lane
FROM (SELECT placed.*, session IN (SELECT session_id FROM project_entry WHERE instance IS NOT NULL
                                   AND created_ms <= getvariable('cut_off_ms')) AS single FROM placed)
QUALIFY day >= getvariable('starts_on') AND day < getvariable('ends_on');

-- --- Billable pieces, each moment of a person and application once -----------------------------------------------

CREATE TABLE piece AS
SELECT * FROM (
    SELECT session, person, application, application_id, office, office_id, department_id, cost_center, day, lane,
           since_ms, start_ms, start_ms // 900000 AS quarter,
           CASE state WHEN 'active' THEN 0 WHEN 'pause' THEN 1 WHEN 'idle' THEN 2 END AS kind,
           CASE WHEN state = 'idle' THEN least(end_ms, gap_ms + buffer_ms) ELSE end_ms END AS end_ms
    FROM usage
    WHERE state IN ('active', 'pause') OR (state = 'idle' AND attention NOT IN (3, 4, 5)))
WHERE end_ms > start_ms;

CREATE TABLE entered AS
SELECT id AS entry, session_id AS session, instance, from_ms, coalesce(to_ms, 9e18::BIGINT) AS to_ms,
       project_number AS project, phase_number AS phase, task_number AS task
FROM project_entry WHERE created_ms <= getvariable('cut_off_ms');

CREATE TABLE span AS
SELECT *, lead(at_ms) OVER (PARTITION BY person, application, quarter ORDER BY at_ms) AS until_ms FROM (
    SELECT person, application, quarter, start_ms AS at_ms FROM piece WHERE person IS NOT NULL
    UNION SELECT person, application, quarter, end_ms FROM piece WHERE person IS NOT NULL
    UNION SELECT person, application, quarter, from_ms FROM piece JOIN entered USING (session)
          WHERE person IS NOT NULL AND from_ms > start_ms AND from_ms < end_ms
    UNION SELECT person, application, quarter, to_ms FROM piece JOIN entered USING (session)
          WHERE person IS NOT NULL AND to_ms > start_ms AND to_ms < end_ms);

CREATE TABLE counted AS  -- active beats pause beats buffer, then the latest last input, then the session id
SELECT piece.* EXCLUDE (start_ms, end_ms), at_ms, until_ms
FROM span JOIN piece USING (person, application, quarter)
WHERE start_ms <= at_ms AND until_ms <= end_ms
QUALIFY row_number() OVER (
    PARTITION BY person, application, quarter, at_ms ORDER BY kind, since_ms DESC, session) = 1;

CREATE TABLE in_force AS
SELECT counted.*, entered.project, entered.phase, entered.task
FROM counted LEFT JOIN (
    SELECT session, lane, at_ms, max(entry) AS entry FROM counted JOIN entered USING (session)
    WHERE from_ms <= at_ms AND at_ms < to_ms AND (lane < 0 OR instance IS NULL OR instance = lane)
    GROUP BY ALL) AS best USING (session, lane, at_ms)
LEFT JOIN entered ON entered.entry = best.entry;

CREATE TABLE work AS
SELECT session, day, person, application, application_id, office, office_id, department_id, cost_center,
       project, phase, task,
       sum(CASE WHEN kind = 0 THEN until_ms - at_ms ELSE 0 END)::BIGINT AS active_ms,
       sum(CASE WHEN kind = 1 THEN until_ms - at_ms ELSE 0 END)::BIGINT AS pause_ms,
       sum(CASE WHEN kind = 2 THEN until_ms - at_ms ELSE 0 END)::BIGINT AS buffer_ms
FROM in_force GROUP BY ALL;

-- --- Who pays ----------------------------------------------------------------------------------------------------

CREATE TABLE preset AS  -- of a person before a department, an office, an application, everybody
SELECT work.session, work.day, work.office_id, project_preset.id AS preset,
       coalesce(project.number, account.number) AS to_project, phase.number AS to_phase, task.number AS to_task,
       project_preset.project_id IS NULL AND account.number IS NULL AS is_nowhere
FROM work JOIN project_preset ON coalesce(project_preset.person_id = work.person, TRUE)
    AND coalesce(project_preset.department_id = work.department_id, project_preset.department_id IS NULL)
    AND coalesce(project_preset.office_id = work.office_id, project_preset.office_id IS NULL)
    AND coalesce(project_preset.application_id = work.application_id, TRUE)
    AND valid_from_on <= day AND coalesce(day < valid_to_on, TRUE)
LEFT JOIN project ON project.id = project_preset.project_id
LEFT JOIN phase ON phase.id = project_preset.phase_id LEFT JOIN task ON task.id = project_preset.task_id
LEFT JOIN cost_center ON cost_center.code = work.cost_center
LEFT JOIN project AS account ON account.kind = 'cost_center' AND account.cost_center_id = cost_center.id
WHERE work.project IS NULL
QUALIFY row_number() OVER (PARTITION BY session, day, work.office_id ORDER BY
    (project_preset.person_id IS NOT NULL)::INT * 8 + (project_preset.department_id IS NOT NULL)::INT * 4
    + (project_preset.office_id IS NOT NULL)::INT * 2 + (project_preset.application_id IS NOT NULL)::INT DESC) = 1;

CREATE TABLE charged AS
SELECT work.* EXCLUDE (project, phase, task), coalesce(project, to_project) AS project,
       CASE WHEN project IS NULL THEN to_phase ELSE phase END AS phase,
       CASE WHEN project IS NULL THEN to_task ELSE task END AS task, coalesce(is_nowhere, FALSE) AS is_nowhere
FROM work LEFT JOIN preset
  ON work.project IS NULL AND preset.session = work.session AND preset.day = work.day
 AND preset.office_id IS NOT DISTINCT FROM work.office_id;

CREATE TABLE judged AS
SELECT charged.*, project.id AS project_id, project.currency,
       project.chargeable AND coalesce(phase.chargeable, TRUE) AS chargeable,
       CASE WHEN is_nowhere THEN 'no_account' WHEN charged.project IS NULL THEN 'unassigned'
            WHEN project.id IS NULL OR (charged.phase IS NULL AND charged.task IS NOT NULL)
              OR (charged.phase IS NOT NULL AND phase.id IS NULL)
              OR (charged.task IS NOT NULL AND task.id IS NULL) THEN 'invalid_project'
            WHEN day < project.opened_on OR day >= project.closed_on OR day < phase.opened_on
              OR day >= phase.closed_on THEN 'closed_project'
            WHEN project.id IN (SELECT project_id FROM project_member) AND NOT EXISTS (
              SELECT 1 FROM project_member AS m WHERE m.project_id = project.id AND m.person_id = charged.person
              AND valid_from_on <= day AND coalesce(day < valid_to_on, TRUE)) THEN 'not_a_member' END AS fault
FROM charged LEFT JOIN project ON project.number = charged.project
LEFT JOIN phase ON phase.project_id = project.id AND phase.number = charged.phase
LEFT JOIN task ON task.phase_id = phase.id AND task.number = charged.task;

-- --- The rate version --------------------------------------------------------------------------------------------

CREATE TABLE wanted AS
SELECT DISTINCT day, person, project_id, office_id, application_id, currency
FROM judged WHERE fault IS NULL AND chargeable;

CREATE TABLE fitting AS  -- the payer's currency first; another one only where no rate in it fits
SELECT wanted.*, rate.id AS rate_id, rate.currency <> wanted.currency AS is_foreign, rate.currency AS rate_currency,
       (rate.person_id IS NOT NULL)::INT * 8 + (rate.project_id IS NOT NULL)::INT * 4
       + (rate.office_id IS NOT NULL)::INT * 2 + (rate.application_id IS NOT NULL)::INT
       + CASE WHEN rate.id <= getvariable('newest_rate') THEN 16 ELSE 0 END AS weight
FROM wanted JOIN rate ON coalesce(rate.person_id = person, TRUE) AND coalesce(rate.project_id = wanted.project_id, TRUE)
    AND coalesce(rate.office_id = wanted.office_id, rate.office_id IS NULL)
    AND coalesce(rate.application_id = wanted.application_id, TRUE)
    AND valid_from_on <= day AND coalesce(day < valid_to_on, TRUE);

CREATE TABLE special AS
SELECT * FROM fitting QUALIFY weight = max(weight) OVER (
    PARTITION BY day, person, project_id, office_id, application_id, currency, is_foreign);

CREATE TABLE priced AS
SELECT special.*, CASE WHEN is_foreign THEN factor_scaled END AS conversion
FROM special LEFT JOIN (
    SELECT from_currency, to_currency, from_on, factor_scaled,
           lead(from_on) OVER (PARTITION BY from_currency, to_currency ORDER BY from_on) AS until_on
    FROM conversion_rate) AS factor
  ON is_foreign AND from_currency = rate_currency AND to_currency = special.currency
 AND from_on <= day AND coalesce(day < until_on, TRUE)
WHERE NOT is_foreign OR factor_scaled IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY day, person, project_id, office_id, application_id, special.currency
                           ORDER BY is_foreign, rate_currency) = 1;

CREATE TABLE rated AS  -- one row per session and line
SELECT judged.*, rate_id, CASE WHEN is_foreign THEN rate_currency END AS rate_currency, conversion
FROM judged LEFT JOIN priced ON judged.fault IS NULL AND judged.chargeable AND priced.day = judged.day
 AND priced.person = judged.person AND priced.project_id = judged.project_id
 AND priced.office_id IS NOT DISTINCT FROM judged.office_id
 AND priced.application_id = judged.application_id AND priced.currency = judged.currency;

CREATE TABLE unbilled AS  -- by session and kind
SELECT 'unknown_person' AS kind, session, sum(end_ms - start_ms)::BIGINT AS milliseconds
FROM piece WHERE person IS NULL GROUP BY ALL
UNION ALL
SELECT coalesce(fault, CASE WHEN EXISTS (
           SELECT 1 FROM special WHERE special.day = rated.day AND special.person = rated.person
           AND special.project_id = rated.project_id AND special.office_id IS NOT DISTINCT FROM rated.office_id
           AND special.application_id = rated.application_id AND special.currency = rated.currency)
           THEN 'no_conversion' ELSE 'no_rate' END) AS kind,
       session, sum(active_ms + pause_ms + buffer_ms)::BIGINT
FROM rated WHERE fault IS NOT NULL OR (chargeable AND rate_id IS NULL) GROUP BY ALL;

-- --- Quantity first, then price ----------------------------------------------------------------------------------

CREATE TABLE share AS
SELECT dense_rank() OVER (ORDER BY day, project, phase, task, office, rate_id, person, application) AS place, *
FROM (SELECT session, day, person, application, office, project, phase, task, rate_id, rate_currency, conversion,
             currency, chargeable, sum(active_ms)::BIGINT AS active_ms, sum(pause_ms)::BIGINT AS pause_ms,
             sum(buffer_ms)::BIGINT AS buffer_ms
      FROM rated WHERE fault IS NULL AND (NOT chargeable OR rate_id IS NOT NULL) GROUP BY ALL);

CREATE TABLE hours AS
SELECT place, 'usage' AS kind, day, person, application, office, project, phase, task, rate_id, rate_currency,
       conversion, share.currency, chargeable, sum(active_ms)::BIGINT AS active_ms,
       sum(pause_ms)::BIGINT AS pause_ms, sum(buffer_ms)::BIGINT AS buffer_ms,
       away(CASE any_value(level)
           WHEN 'line' THEN rounded_ms(sum(active_ms + pause_ms + buffer_ms), any_value(increment_ms),
                                       any_value(direction), any_value(minimum_ms))
           WHEN 'session' THEN sum(rounded_ms(active_ms + pause_ms + buffer_ms, increment_ms, direction, minimum_ms))
           ELSE sum(active_ms + pause_ms + buffer_ms) END, getvariable('quantum'))::BIGINT AS quantity
FROM share LEFT JOIN rate ON rate.id = rate_id
GROUP BY ALL;

CREATE TABLE months AS  -- one further line, dated the last day used, brings the month's lines to the rounded month
SELECT NULL::BIGINT AS place, 'month_rounding' AS kind, max(day) AS day, person, application,
       arg_max(office, (day, office)) AS office, project, phase, task, rate_id,
       arg_max(hours.rate_currency, (day, office)) AS rate_currency,
       arg_max(conversion, (day, office)) AS conversion, hours.currency, TRUE AS chargeable, 0 AS active_ms,
       0 AS pause_ms, 0 AS buffer_ms,
       (away(rounded_ms(sum(active_ms + pause_ms + buffer_ms), any_value(increment_ms), any_value(direction),
                        any_value(minimum_ms)), getvariable('quantum')) - sum(quantity))::BIGINT AS quantity
FROM hours JOIN rate ON rate.id = rate_id WHERE level = 'month'
GROUP BY person, application, project, phase, task, rate_id, hours.currency HAVING quantity <> 0;

-- Free hours first, of a person and application; then tiers, of a rate version and currency; in order of use.
CREATE TABLE step AS
SELECT rate_id, from_q, coalesce(lead(from_q) OVER (PARTITION BY rate_id ORDER BY from_q), 9e15::BIGINT) AS until_q,
       price
FROM (SELECT id AS rate_id, 0::BIGINT AS from_q, rate_scaled AS price FROM rate
      UNION ALL
      SELECT id, CAST(json_extract(tier, '$[0]') AS BIGINT) // getvariable('quantum'),
             CAST(json_extract(tier, '$[1]') AS BIGINT)
      FROM rate, unnest(from_json(tiers, '["JSON"]')) AS t(tier));

CREATE TABLE ordered AS
SELECT hours.*, tier_kind, coalesce(free_ms, 0) // getvariable('quantum') AS free_q,
       sum(quantity) OVER (PARTITION BY person, application
                           ORDER BY day, project, phase, task, office, rate_id) AS end_q
FROM hours LEFT JOIN rate ON rate.id = rate_id WHERE chargeable;

CREATE TABLE paid AS
SELECT *, quantity - free AS paid, sum(quantity - free) OVER a AS paid_end,
       sum(quantity - free) OVER (PARTITION BY person, application, rate_id, currency) AS whole
FROM (SELECT *, common(end_q - quantity, end_q, 0, free_q)::BIGINT AS free FROM ordered)
WINDOW a AS (PARTITION BY person, application, rate_id, currency ORDER BY day, project, phase, task, office);

CREATE TABLE part AS  -- which part of a line costs what; a line of nothing costs nothing, at its price
SELECT place, -1 AS from_q, free AS part, 0 AS price FROM paid WHERE free > 0
UNION ALL
SELECT place, from_q, CASE WHEN tier_kind = 'graduated' THEN common(paid_end - paid, paid_end, from_q, until_q)
                           ELSE paid END, price
FROM paid JOIN step USING (rate_id)
WHERE CASE tier_kind WHEN 'graduated' THEN common(paid_end - paid, paid_end, from_q, until_q) > 0
                         OR (quantity = 0 AND from_q <= paid_end AND paid_end < until_q)
                     WHEN 'volume' THEN from_q <= whole AND whole < until_q ELSE from_q = 0 END
  AND (paid > 0 OR quantity = 0);

CREATE TABLE stretch AS  -- a part takes the stretch of the line's time that its quantity is of the line's
SELECT *, coalesce(lag(to_ms) OVER (PARTITION BY place ORDER BY from_q), 0) AS from_ms FROM (
    SELECT part.*, CASE WHEN quantity = 0 THEN raw ELSE
        (sum(part) OVER (PARTITION BY place ORDER BY from_q))::HUGEINT * raw // quantity END AS to_ms
    FROM part JOIN (SELECT place, quantity, active_ms + pause_ms + buffer_ms AS raw FROM hours) USING (place));

CREATE TABLE block AS  -- session by session, first active, then pause, then buffer
SELECT place, name, sum(ms) OVER (PARTITION BY place ORDER BY session, sort) - ms AS from_ms,
       sum(ms) OVER (PARTITION BY place ORDER BY session, sort) AS to_ms
FROM (SELECT place, session, 0 AS sort, 'active' AS name, active_ms AS ms FROM share
      UNION ALL SELECT place, session, 1, 'pause', pause_ms FROM share
      UNION ALL SELECT place, session, 2, 'buffer', buffer_ms FROM share);

CREATE TABLE cut AS
SELECT stretch.place, from_q, part, price,
       sum(CASE WHEN name = 'active' THEN ms ELSE 0 END)::BIGINT AS active_ms,
       sum(CASE WHEN name = 'pause' THEN ms ELSE 0 END)::BIGINT AS pause_ms,
       sum(CASE WHEN name = 'buffer' THEN ms ELSE 0 END)::BIGINT AS buffer_ms
FROM (SELECT stretch.*, name, common(stretch.from_ms, stretch.to_ms, block.from_ms, block.to_ms) AS ms
      FROM stretch JOIN block USING (place)) AS stretch
GROUP BY ALL;

CREATE TABLE timed AS
SELECT kind, day, person, application, office, project, phase, task, rate_id, rate_currency, conversion, currency,
       chargeable, cut.active_ms, cut.pause_ms, cut.buffer_ms, part AS quantity, price
FROM cut JOIN hours USING (place)
UNION ALL
SELECT * EXCLUDE (place), 0 FROM hours WHERE NOT chargeable
UNION ALL
SELECT months.* EXCLUDE (place), rate_scaled FROM months JOIN rate ON rate.id = rate_id;

CREATE TABLE amounts AS
SELECT * EXCLUDE (price), 'hour' AS unit, rate_scaled,
       away(quantity::HUGEINT * rate_scaled, per_minor(currency) * (3600000 // getvariable('quantum')))::BIGINT
           AS amount_minor
FROM (SELECT *, away(price::HUGEINT * coalesce(conversion, 100000000), 100000000)::BIGINT AS rate_scaled FROM timed);

-- --- Caps: a local day first, then the period, of what the days have left ----------------------------------------

CREATE MACRO converted_cap(cap, own, payer, factor) AS
    away(cap::HUGEINT * per_minor(coalesce(own, payer)) * coalesce(factor, 100000000),
         per_minor(payer)::HUGEINT * 100000000);

CREATE TABLE by_day AS
SELECT *, sum(amount_minor) OVER d - cap AS excess, greatest(amount_minor, 0)::HUGEINT AS weight,
       sum(greatest(amount_minor, 0)) OVER d AS weights
FROM (SELECT person, application, rate_id, amounts.currency, day, project, phase, task,
             sum(amount_minor)::BIGINT AS amount_minor, arg_max(office, office) AS office,
             any_value(rate_currency) AS rate_currency, any_value(conversion) AS conversion,
             any_value(converted_cap(daily_cap_minor, rate_currency, amounts.currency, conversion)) AS cap
      FROM amounts JOIN rate ON rate.id = rate_id
      WHERE chargeable AND kind = 'usage' AND daily_cap_minor IS NOT NULL GROUP BY ALL)
WINDOW d AS (PARTITION BY person, application, rate_id, currency, day);

CREATE TABLE off_day AS
SELECT *, excess * weight // weights + (row_number() OVER (
              PARTITION BY person, application, rate_id, currency, day
              ORDER BY excess * weight % weights DESC, project, phase NULLS FIRST, task NULLS FIRST)
          <= excess - sum(excess * weight // weights) OVER (
              PARTITION BY person, application, rate_id, currency, day))::INT AS off
FROM by_day WHERE excess > 0;

CREATE TABLE by_period AS
SELECT *, sum(amount_minor) OVER p - cap AS excess, greatest(amount_minor, 0)::HUGEINT AS weight,
       sum(greatest(amount_minor, 0)) OVER p AS weights
FROM (SELECT person, application, rate_id, currency, project, phase, task, sum(amount_minor)::BIGINT AS amount_minor,
             max(day) AS day, arg_max(office, (day, office)) AS office, any_value(cap) AS cap,
             any_value(rate_currency) AS rate_currency, any_value(conversion) AS conversion
      FROM (SELECT kept.* REPLACE (first(conversion) OVER (PARTITION BY person, application, rate_id, kept.currency
                                                           ORDER BY day, office) AS conversion),
                   converted_cap(monthly_cap_minor, rate_currency, kept.currency,
                       first(conversion) OVER (PARTITION BY person, application, rate_id, kept.currency
                                               ORDER BY day, office)) AS cap
            FROM (SELECT person, application, rate_id, currency, project, phase, task, amount_minor, day, office,
                         rate_currency, conversion FROM amounts WHERE chargeable
                  UNION ALL
                  SELECT person, application, rate_id, currency, project, phase, task, -off, day, office,
                         rate_currency, conversion FROM off_day) AS kept
            JOIN rate ON rate.id = rate_id WHERE monthly_cap_minor IS NOT NULL)
      GROUP BY ALL)
WINDOW p AS (PARTITION BY person, application, rate_id, currency);

CREATE TABLE off_period AS
SELECT *, excess * weight // weights + (row_number() OVER (
              PARTITION BY person, application, rate_id, currency
              ORDER BY excess * weight % weights DESC, project, phase NULLS FIRST, task NULLS FIRST)
          <= excess - sum(excess * weight // weights) OVER (
              PARTITION BY person, application, rate_id, currency))::INT AS off
FROM by_period WHERE excess > 0;

CREATE TABLE caps AS
SELECT 'cap' AS kind, day, person, application, office, project, phase, task, rate_id,
       any_value(rate_currency) AS rate_currency, arg_min(conversion, place) AS conversion, currency, TRUE AS chargeable,
       0 AS active_ms, 0 AS pause_ms, 0 AS buffer_ms, -(3600000 // getvariable('quantum')) AS quantity,
       'each' AS unit, (sum(off) * per_minor(currency))::BIGINT AS rate_scaled, (-sum(off))::BIGINT AS amount_minor
FROM (SELECT day, person, application, office, project, phase, task, rate_id, rate_currency, conversion, currency, off,
             1 AS place
      FROM off_day WHERE off > 0
      UNION ALL
      SELECT day, person, application, office, project, phase, task, rate_id, rate_currency, conversion, currency, off,
             2 AS place
      FROM off_period WHERE off > 0)
GROUP BY day, person, application, office, project, phase, task, rate_id, currency;

-- --- The lines ---------------------------------------------------------------------------------------------------

CREATE TABLE line AS
SELECT kind, CAST(day AS VARCHAR) AS day, person AS person_id, application, office, project, phase, task, rate_id,
       chargeable AS billable, active_ms, pause_ms, buffer_ms, quantity, unit, rate_scaled, currency, amount_minor,
       rate_currency, conversion AS conversion_scaled
FROM (SELECT * FROM amounts UNION ALL BY NAME SELECT * FROM caps);
