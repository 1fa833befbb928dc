-- Writes down what a person has done. Caller: queue.operate, in the transaction that does it.
INSERT INTO tq_audit (at, by, action, subject, reason, detail)
VALUES (tq_now(), %(by)s, %(action)s, %(subject)s, %(reason)s, %(detail)s::jsonb)
