-- Which of these constraints the live table does not have, or has not validated. Locks nothing. Caller: doctor.
SELECT name FROM unnest(%(names)s::text[]) AS expected (name)
WHERE NOT EXISTS (
    SELECT FROM pg_constraint
    WHERE conrelid = 'tq_task_live'::regclass AND conname = name AND convalidated
)
