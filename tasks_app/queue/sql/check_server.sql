-- What the server says of itself: version, whether what it commits is durable, whether it vacuums, its clock (seconds
-- since 1970), how full the queue of notifications is, and whether it is a standby. Locks nothing. Caller: doctor.
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
       current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
       current_setting('autovacuum'), current_setting('track_counts'),
       extract(epoch FROM clock_timestamp())::float8, pg_notification_queue_usage(), pg_is_in_recovery()
