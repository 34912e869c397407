"""What psycopg2 and psycopg 3 are put through alike; each script hands over how its driver connects and wraps JSON."""
import os
import select
from datetime import datetime, timedelta
from decimal import Decimal

DIRECT = int(os.environ["DIRECT_PORT"])
POOLED = int(os.environ["POOLED_PORT"])

ACQUIRE = "SELECT * FROM vibe.acquire_lock(task_id => %s, agent_name => %s)"
COMPLETE = """SELECT * FROM vibe.complete_step(task_id => %s, agent_name => %s, lock_token => %s,
              output => %s, quality_score => %s)"""
CREATE = """SELECT id FROM vibe.create_campaign(project_id => %s, slug => %s, name => 'Campaign', pipeline_slug => 'two',
            target_article_count => %s, seed_keywords => %s, deliverables => %s, budget_usd => %s)"""


class Test:
    """One driver's run: counts what holds, and stops at the first thing that does not."""

    def __init__(self, name, connect, json, error):
        self.name, self.connect, self.json, self.error = name, connect, json, error
        self.done = 0

    def ok(self, what):
        self.done += 1
        print(f"ok {self.done} - {what}", flush=True)

    def eq(self, got, wanted, what):
        if got != wanted:
            print(f"not ok {self.done + 1} - {what}\n#      got: {got!r}\n# expected: {wanted!r}", flush=True)
            raise SystemExit(1)
        self.ok(what)

    def code(self, db, wanted, what, sql, values=()):
        """The call fails with this SQLSTATE; every error of ours has a detail and a hint."""
        try:
            with db.cursor() as cursor:
                cursor.execute(sql, values)
            code = None
        except self.error as error:
            code = getattr(error, "pgcode", None) or error.sqlstate
            if code.startswith("VB"):
                assert error.diag.message_detail and error.diag.message_hint, "a detail and a hint"
        self.eq(code, wanted, what)

    def main_path(self, port, via):
        db = self.connect(port=port, user="dashboard")
        db.autocommit = True
        project, created = one(db, "SELECT id, created_at FROM vibe.create_project(slug => %s, name => %s)",
                               (f"{self.name}-{via}", "Site"))
        self.eq([type(project), type(created), created.tzinfo is not None], [int, datetime, True],
                f"{via}: bigint and timestamptz out")
        words = ['compost "gut"', "a, b {c}", "ü'\\"]
        (campaign,) = one(db, CREATE, (project, f"{self.name}-{via}", 2, words, self.json({"heroImage": True}), Decimal("12.50")))
        self.eq(one(db, "SELECT seed_keywords, deliverables, budget_usd FROM vibe.campaigns WHERE id = %s", (campaign,)),
                (words, {"heroImage": True}, Decimal("12.50")), f"{via}: text[], jsonb and numeric come back as they went")
        self.eq(one(db, "SELECT * FROM vibe.activate_campaign(id => %s)", (campaign,)), (campaign, "active", 2, 0),
                f"{via}: a campaign is activated")
        self.eq(rows(db, "SELECT status FROM vibe.campaigns WHERE project_id = %s", (project,)), [("active",)], f"{via}: listed")
        task, other = [r[0] for r in rows(db, "SELECT id FROM vibe.tasks WHERE campaign_id = %s ORDER BY number", (campaign,))]
        (status,) = one(db, "SELECT vibe.get_task_pipeline_status(task_id => %s)", (task,))
        self.eq([s["status"] for s in status["pipeline"]], ["pending", "pending"], f"{via}: a task is opened as a dict")
        self.steps(db, via, task, other)
        self.eq(one(db, "SELECT status FROM vibe.pause_campaign(id => %s)", (campaign,)), ("paused",), f"{via}: paused")
        self.eq(one(db, ACQUIRE, (task, "editor"))[:2], (False, "campaign_paused"), f"{via}: nobody gets a step meanwhile")
        self.eq(one(db, "SELECT status FROM vibe.resume_campaign(id => %s)", (campaign,)), ("active",), f"{via}: resumed")
        self.eq(one(db, "SELECT status, tasks_cancelled FROM vibe.cancel_campaign(id => %s)", (campaign,)), ("cancelled", 2),
                f"{via}: cancelled")
        self.code(db, "VB020", f"{via}: for good: VB020", "SELECT * FROM vibe.resume_campaign(id => %s)", (campaign,))
        for _ in range(12):
            one(db, "SELECT * FROM vibe.campaign_progress(id => %s)", (campaign,))
        self.ok(f"{via}: one statement many times")
        db.close()
        return project

    def steps(self, db, via, task, other):
        _, _, _, run, token, lease = one(db, ACQUIRE, (task, "writer"))
        self.eq(lease > datetime.now(lease.tzinfo), True, f"{via}: a step is acquired for some time")
        self.code(db, "VB011", f"{via}: a wrong token is VB011", COMPLETE, (task, "writer", "f" * 64, None, None))
        self.code(db, "VB012", f"{via}: a wrong agent VB012", COMPLETE, (task, "editor", token, None, None))
        self.code(db, "VB030", f"{via}: a score of NaN VB030", COMPLETE, (task, "writer", token, None, Decimal("NaN")))
        answer = one(db, COMPLETE, (task, "writer", token, self.json({"words": 900}), Decimal("82.5")))
        self.eq(answer, (True, 1, "editor", "drafted", False), f"{via}: a step is completed")
        self.eq(one(db, COMPLETE, (task, "writer", token, None, None)), answer, f"{via}: repeated, it answers the same")
        self.eq(one(db, "SELECT output, quality_score FROM vibe.runs WHERE id = %s", (run,)), ({"words": 900}, Decimal("82.5")),
                f"{via}: what was handed in is there")
        lock = one(db, ACQUIRE, (other, "writer"))
        waiting_for, _ = one(db, "SELECT * FROM vibe.fail_step(run_id => %s, lock_token => %s, retry_after => %s)",
                             (lock[3], lock[4], timedelta(minutes=90)))
        self.eq(waiting_for, "back_off", f"{via}: an interval goes in")
        self.eq(one(db, "SELECT ready_at - since FROM vibe.work WHERE task_id = %s", (other,)), (timedelta(minutes=90),),
                f"{via}: and out")

    def local_role(self, port, via, project):
        """A login that has no rights until it takes a role, for one transaction at a time."""
        db = self.connect(port=port, user="backend")
        values = (project, f"{self.name}-role-{via}", 1, [], None, None)
        self.code(db, "42501", f"{via}: no right without the role", CREATE, values)
        db.rollback()
        with db.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE vibe_operator")
        (campaign,) = one(db, CREATE, values)
        one(db, "SELECT * FROM vibe.activate_campaign(id => %s)", (campaign,))
        self.eq(rows(db, "SELECT DISTINCT actor FROM vibe.activities WHERE campaign_id = %s", (campaign,)), [("vibe_operator",)],
                f"{via}: in a transaction SET LOCAL ROLE counts, and the feed says so")
        db.commit()
        self.code(db, "42501", f"{via}: and is over with it", CREATE, values)
        db.close()

    def listening(self, project, notifications):
        """Who listens has a connection of its own to the server; what is written through the pool reaches it."""
        ears = self.connect(port=DIRECT, user="dashboard")
        ears.autocommit = True
        with ears.cursor() as cursor:
            cursor.execute("LISTEN vibe_dispatch")
        db = self.connect(port=POOLED, user="dashboard")
        (campaign,) = one(db, CREATE, (project, f"{self.name}-heard", 1, [], None, None))
        one(db, "SELECT * FROM vibe.activate_campaign(id => %s)", (campaign,))
        db.commit()
        self.eq(notifications(ears)[0].channel, "vibe_dispatch",
                "a listener on a direct connection hears what went through PgBouncer")
        ears.close()
        db.close()

    def run(self, notifications):
        project = self.main_path(DIRECT, "direct")
        self.main_path(POOLED, "pgbouncer")
        self.local_role(DIRECT, "direct", project)
        self.local_role(POOLED, "pgbouncer", project)
        self.listening(project, notifications)
        print(f"1..{self.done}")


def rows(db, sql, values=()):
    with db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def one(db, sql, values=()):
    found = rows(db, sql, values)
    assert len(found) == 1, sql
    return found[0]


def wait_readable(fd):
    assert select.select([fd], [], [], 30)[0], "nothing was heard"
