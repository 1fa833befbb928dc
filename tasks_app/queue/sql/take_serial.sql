-- A number of its own for one incarnation of a worker: the key of its advisory lock. Caller: queue.take_serial.
SELECT nextval('tq_worker_serial')
