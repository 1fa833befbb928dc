-- A new incarnation of a worker; its advisory lock (serial) is held before this row can be seen.
-- Caller: queue.register.
INSERT INTO tq_worker
    (id, serial, direct, name, hostname, pid, queues, capabilities, slots, state, started_at, beat_at, lease_expires_at)
VALUES
    (%(id)s, %(serial)s, %(direct)s, %(name)s, %(hostname)s, %(pid)s, %(queues)s, %(capabilities)s, %(slots)s,
     'alive', tq_now(), tq_now(), tq_now() + %(lease)s * interval '1 second')
ON CONFLICT (id) DO NOTHING   -- said again after an answer was lost
