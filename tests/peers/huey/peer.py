"""`peer.py STORAGE COUNT BYTES THREADS`: enqueues COUNT jobs of BYTES bytes into Huey, then handles them with a job that does
nothing, by so many threads.

STORAGE is the path of a file for SQLite (with fsync, so that a job that was taken survives a power cut), or the URL of a Redis
server. Prints one JSON object: jobs per second of both.
"""

import json
import logging
import sys
import threading
import time

from huey import RedisHuey, SqliteHuey

storage, count, size, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
logging.disable(logging.CRITICAL)
if storage.startswith("redis:"):
    huey = RedisHuey("bench", url=storage, results=False)
else:
    huey = SqliteHuey("bench", filename=storage, fsync=True, results=False)

lock = threading.Lock()
handled = 0
done = threading.Event()


@huey.task()
def job(body):
    global handled
    with lock:
        handled += 1
        if handled == count:
            done.set()


body = "x" * size
began = time.perf_counter()
for _ in range(count):
    job(body)
pushed = time.perf_counter() - began

consumer = huey.create_consumer(
    workers=threads, worker_type="thread", initial_delay=0.001, max_delay=0.001, periodic=False
)
began = time.perf_counter()
consumer.start()
if not done.wait(600):
    sys.exit(f"only {handled} of {count} jobs were handled")
took = time.perf_counter() - began
print(json.dumps({"pushed_per_s": count / pushed, "handled_per_s": count / took}), flush=True)
consumer.stop(graceful=False)
import os

os._exit(0)
