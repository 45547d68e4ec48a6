"""The night as a DAG of Airflow 2.9 or later: one task, for the job itself resumes, retries and catches up.

The date of the run is passed in, so that a run started again is for its own night. Exit code 3, another run is at work,
skips the task; the others fail it, and one retry is for a machine that was lost.

A worker has the checkout in /opt/artwork (`make setup` there), which its user need not write; /etc/artwork/night.toml,
made from the one in infra/systemd or infra/kubernetes, which names inputs and store; and a folder /var/lib/artwork that
its user may write.
"""

from datetime import datetime, timedelta, timezone

try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.bash import BashOperator

with DAG(
    dag_id="artwork_nightly",
    description="Artwork features, prompts, rankings and choices of tonight",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017
    catchup=False,  # a night that was missed is caught up by the next one
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=7),
    tags=["artwork"],
) as dag:
    BashOperator(
        task_id="nightly",
        # Where the interval ends is the night itself, in Airflow 2 as in 3.
        bash_command=(
            "exec /opt/artwork/.venv/bin/python -m jobs.nightly --profile /etc/artwork/night.toml"
            " --set nightly.date={{ data_interval_end | ds }}"
        ),
        cwd="/var/lib/artwork",  # what has no other place is written here: a plot, logs of inference servers
        append_env=True,  # secrets come from the worker's environment
        env={"RAY_AUTH_MODE": "token"},
        skip_on_exit_code=3,
        retries=1,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=6),
    )
