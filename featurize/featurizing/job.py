"""The steps of the featurize job: look at the catalogue, compute what a model has not seen, tag.

Each step asks the committed rows what is missing, so the steps can be stopped anywhere and run again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from featurize.config import Settings
from featurize.errors import ArtworkError, RefusedInput
from featurize.execution import phases, plan
from featurize.execution.run import NO_CLIP, NO_PICTURE, ClipPhase, Phase, hopeless
from featurize.featurizing import clips, near_duplicates, tags, texts
from featurize.images.decode import Limits
from featurize.inference.captions import CaptionerSettings
from featurize.inference.extractor import ModelSettings, model_key
from featurize.intake import catalogue
from featurize.intake.web import Web
from featurize.job_run import JobRun
from featurize.models import load_backend
from featurize.report import PhaseReport, Progress, Spent, ask, shown
from featurize.storage import current, tables, views
from featurize.storage.store import address
from featurize.storage.tables import sql

JOB = "featurize"
TABLES = (
    *("artwork", "image_embedding", "text_embedding", "image_tag", "near_picture"),
    *("description", "damage", "quarantine", "model", *clips.TABLES),
)
_MEANINGLESS = "their words and numbers mean nothing (the profile 'gpu' has models for photographs)"


class Featurizing(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    reads_inputs = True

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False, night: JobRun | None = None) -> None:
        super().__init__(JOB, TABLES, settings, run_id, dry_run, night)
        self.limits = Limits(**settings.limits.model_dump())
        self.decoder = plan.decoder(self.limits)
        self.clips = clips.decoder(settings)
        self._gpus_found = self.assorted = False
        self.db = tables.connect()
        self._refuse_early()

    def _refuse_early(self) -> None:
        """What is wrong with models, prompts, labels and places comes out before anything is read or written."""
        artwork = self.settings.input.artwork
        if artwork is not None and address(artwork) == self.store.uri:
            raise RefusedInput(f"artwork '{artwork}' is the store; give the store a folder of its own")
        self.labels = tags.load_labels(self.settings.labels) if self.settings.embed else None
        if artwork is None and self.settings.input.demo == "clips":
            self._make_clip_world()
        for model in self._models():
            phases.fingerprint_of(model)
        if self.dry_run:
            if self._models_on_gpus():
                self.report.notes.append(
                    "a dry run does not look for GPUs: a run with work for one stops where it is missing"
                )
        elif not self.store.parts("artwork"):  # all is work, and a refusal should leave no store behind
            try:
                for model in self._models_on_gpus():
                    phases.crew(self.settings, model)
            except ArtworkError:
                phases.finish()
                raise

    def _make_clip_world(self) -> None:
        """Before its models are looked at: what hears its clips is made with them."""
        if not self.dry_run:
            from featurize import demo

            demo.write(self.demo, "clips", self.settings.clips.ffmpeg)
        elif not (self.demo / "manifest.parquet").exists():
            raise RefusedInput(f"{self.demo} is not there yet, and a dry run makes nothing: run without it once")

    def look_at_catalogue(self) -> None:
        """Bring table `artwork` up to date; leaves the distinct pictures in table `picture` of `self.db`."""
        self.declare_current()
        wanted = self.settings.input
        if wanted.artwork is None and not self.dry_run:
            from featurize import demo

            demo.write(self.demo, wanted.demo, self.settings.clips.ffmpeg)
        artwork = wanted.artwork or str(self.demo / "manifest.parquet")
        models = (self.settings.embed, self.settings.describe)
        if wanted.artwork and any(str(getattr(model, "model", "")).startswith("bundled:") for model in models):
            self.report.notes.append(f"the bundled models know the demo's drawings; elsewhere {_MEANINGLESS}")
        with Progress("hash", 0, "file") as progress, self.report.spent.on("read_s"):

            def advance(done: int, total: int) -> None:
                progress.grow(total)
                progress.advance(done - progress.finished)

            scan = catalogue.scan(
                self.db,
                self.store,
                artwork,
                limits=self.limits,
                decode_key=model_key(self.decoder),
                origin=self.origin,
                fence=None if self.dry_run else self.lease.fence,
                run=self.settings.run,
                wanted=wanted,
                leave_out=[self.store.uri, *(str(world.parent) for world in Path.cwd().glob("demo/*/world.json"))],
                advance=advance,
                tell=progress.say,
                late=lambda: self.deadline.passed,
                clips=self.clips.limits,
            )
        self.assorted = scan.assorted
        self.report.spent.bytes_read += scan.bytes_read
        if scan.unread:
            left = f"hash: {scan.unread:,} of {scan.read + scan.unread:,} files are left for the next run"
            self.report.leave(f"{left}, for {self.deadline} has passed")
        self.report.unreadable = scan.quarantined
        self.report.counts = {
            "artworks found": scan.found,
            "files read": scan.read,
            "new or changed": scan.changed,
            "removed": scan.removed,
            "distinct pictures": scan.pictures,
        }
        if scan.clips:
            self.report.counts["distinct clips"] = scan.clips
            self.report.counts["of these sound alone"] = tables.scalar(
                self.db, "SELECT count(*) FROM clip_file WHERE sound"
            )
            self.report.notes += clips.ready(self.settings, self.clips)
        self.report.notes += scan.notes

    def compute(self, name: str, model: ModelSettings) -> str:
        """Embed or describe every picture that this model has no row of; returns the model key."""
        key = self._key(phases.fingerprint_of(model))
        self._execute(name, model, key, load_backend(model.backend).Extractor.table, self._missing(model))
        self._count_damaged()
        return key

    def tag(self, embed: ModelSettings, image_key: str) -> None:
        """Tags from the stored embeddings, after embedding the labels that are new."""
        text_model = phases.text_settings(embed)
        if text_model is None or self.labels is None:
            return
        text_key = self._key(phases.fingerprint_of(text_model))
        self.db.register("label_text", pa.table({"text": pa.array(self.labels.texts, pa.string())}))
        missing = plan.missing_texts(self.db, self.store, "FROM label_text", text_key, max_attempts=None)
        self._execute("labels", text_model, text_key, "text_embedding", missing)
        tag_key = self._key(tags.fingerprint(self.labels, image_key, text_key))
        report = PhaseReport("tag", tag_key, new=tags.missing(self.db, self.store, image_key, tag_key))
        self.report.phases.append(report)
        if self.dry_run or not report.new or self.out_of_time(report):
            return
        with Progress("tag", report.new, "image") as progress:
            progress.advance(0)
            report.done = tags.compute(
                self.db,
                self.store,
                self.labels,
                image_key=image_key,
                text_key=text_key,
                tag_key=tag_key,
                logit_scale=load_backend(text_model.backend).logit_scale(text_model),
                origin=self.origin,
                fence=self.lease.fence,
                advance=progress.advance,
            )
            report.startup_s, report.work_s = progress.startup_s, progress.work_s
        report.spent = Spent(model_s=report.work_s, worker_s={"cpu": report.work_s})

    def embed_texts(self, model: ModelSettings) -> None:
        """Vectors of what is said of titles and their artworks."""
        given, titles = self.settings.input, self.settings.input.titles
        if titles is None and given.artwork is None and (self.demo / "title.parquet").exists():
            titles = str(self.demo / "title.parquet")
        if titles is None and not any(self.store.parts(name) for name in texts.SAYING):
            return
        key = self._key(phases.fingerprint_of(model))
        describe = self.settings.describe
        described = model_key(phases.fingerprint_of(describe)) if describe else self._current("description")
        with views.connect(self.store) as db:
            texts.collect(db, titles, described)
            db.execute("DROP VIEW text_embedding; DROP VIEW quarantine")
            missing = plan.missing_texts(db, self.store, "FROM said", key, self.settings.run.max_attempts)
        self._execute("text", model, key, "text_embedding", missing)
        self._count_cut(key)

    def _current(self, feature: str) -> str:
        found = current.models(self.store, features=[feature]).get(feature)
        return found.model_key if found else ""

    def _count_cut(self, key: str) -> None:
        """Texts of this run that are longer than the model reads."""
        self.store.register(self.db, "text_embedding", [key])
        asked = "SELECT count(*), max(tokens_cut) FROM text_embedding WHERE run_id = $run_id AND tokens_cut > 0"
        ((cut, most),) = self.db.execute(asked, {"run_id": self.origin.run_id}).fetchall()
        if cut:
            self.report.notes.append(
                f"text: {cut:,} texts are longer than the model reads, by up to {most:,} tokens (column tokens_cut)"
            )

    def compare(self, embed: ModelSettings, image_key: str) -> None:
        """Near-duplicates among the stored embeddings: the pictures that are new against all."""
        if self.settings.near_duplicate is None:
            return
        key = self._key(near_duplicates.fingerprint(image_key, self.settings.near_duplicate))
        self.store.register(self.db, "image_embedding", [image_key])
        self.store.register(self.db, "near_picture", [key])
        missing = tables.arrow(self.db, sql("featurizing", "uncompared"))
        report = PhaseReport("compare", key, new=missing.num_rows)
        self.report.phases.append(report)
        if self.dry_run or not report.new or self.out_of_time(report):
            return
        report.here = self.settings.run.executor == "local"
        with Progress("compare", report.new, "image") as progress:
            crew = phases.crew(self.settings, embed)
            work = near_duplicates.Comparison(
                name="compare",
                settings=embed,
                image_key=image_key,
                model_key=key,
                min_cosine=self.settings.near_duplicate,
                cpus=crew.cpus,
                store=self.store,
                fence=self.lease.fence,
                origin=self.origin,
            )
            shards = plan.shards(missing, key, min(near_duplicates.SHARD, -(-report.new // crew.workers)))
            advance = progress.advance
            for outcome in phases.execute(self.settings, work, shards, crew.workers, advance, self.deadline):
                report.add(outcome)
            report.startup_s, report.work_s = progress.startup_s, progress.work_s
        self.out_of_time(report)
        self._count_alike(key)

    def _count_alike(self, key: str) -> None:
        """Pictures of this run that look nearly like another one, and those that look like too many to name."""
        self.store.register(self.db, "near_picture", [key])
        asked = """SELECT count(*) FILTER (found > 0), count(*) FILTER (found > len(near)), max(found)
            FROM near_picture WHERE run_id = $run_id"""
        ((alike, crowded, most),) = self.db.execute(asked, {"run_id": self.origin.run_id}).fetchall()
        if alike:
            self.report.counts["near-duplicates"] = alike
        if crowded:
            self.report.notes.append(
                f"compare: {crowded:,} pictures look like more than {near_duplicates.MOST} others (at most {most:,}); "
                "the nearest of each are kept"
            )

    def _count_damaged(self) -> None:
        """Pictures that this run used and whose files are damaged beside the pixels."""
        self.store.register(self.db, "damage")
        (row,) = self.db.execute(sql("featurizing", "damaged"), {"run_id": self.origin.run_id}).fetchall()
        if row[0]:
            self.report.counts["damaged"], self.report.examples["damaged"] = row

    def compute_clips(self) -> None:
        """What each model for clips has to say of those that it has no row of."""
        for name, model in clips.models(self.settings).items():
            if tables.scalar(self.db, "SELECT count(*) FROM clip_file"):
                self.compute(name, model)
                self._count_statuses(self.report.phases[-1], load_backend(model.backend).Extractor.table)

    def _count_statuses(self, report: PhaseReport, table: str) -> None:
        """What became of this run's clips, where it is not plainly words."""
        self.store.register(self.db, table, [report.model_key])
        asked = f"""SELECT status, count(*) FROM {table} WHERE run_id = $run_id AND status <> 'ok'
            GROUP BY ALL ORDER BY ALL"""
        found = self.db.execute(asked, {"run_id": self.origin.run_id}).fetchall()
        if found:
            told = ", ".join(f"{status} {count:,}" for status, count in found)
            self.report.notes.append(f"{report.name}: of {report.done:,} clips {told}")

    def _count_failed(self, report: PhaseReport, model: ModelSettings) -> None:
        """Answers of this run that could not be used: rows all the same, so no quarantine tells of them."""
        self.store.register(self.db, "description", [report.model_key])
        report.failed.update(
            dict(self.db.execute(sql("featurizing", "failed"), {"run_id": self.origin.run_id}).fetchall())
        )
        if report.failed:
            statuses = ", ".join(f"{status} {count:,}" for status, count in report.failed.items())
            again = isinstance(model, CaptionerSettings) and not model.retry_failed
            self.report.notes.append(
                f"{report.name}: {report.failed.total():,} of {report.done:,} failed: {statuses}"
                + ("; SET=describe.retry_failed=true asks again" if again else "")
            )

    def _key(self, fingerprint: dict[str, Any]) -> str:
        if self.dry_run:
            return model_key(fingerprint)
        return phases.record_model(self.store, self.lease.fence, fingerprint, self.origin)

    def _refuse_missing_gpus(self) -> None:
        """Before the first picture is computed, whichever model it is that needs a GPU and has work to do."""
        if self._gpus_found:
            return
        for model in self._models_on_gpus():
            if model is not self.settings.text and self._missing(model).num_rows:
                phases.crew(self.settings, model)
        self._gpus_found = True

    def _models_on_gpus(self) -> list[ModelSettings]:
        return [model for model in self._models() if model.gpus or model.device == "cuda"]

    def _models(self) -> list[ModelSettings]:
        models = (
            *(self.settings.embed, self.settings.describe, *clips.models(self.settings).values()),
            self.settings.text,
        )
        return [model for model in models if model is not None]

    def _missing(self, model: ModelSettings) -> Any:
        """The pictures or clips that this model has no row of, or none that worked."""
        extractor = load_backend(model.backend).Extractor
        table, key = extractor.table, model_key(phases.fingerprint_of(model))
        decode_key = model_key(self._decoder_for(model))
        attempts, again = self.settings.run.max_attempts, isinstance(model, CaptionerSettings) and model.retry_failed
        wanted = clips.WANTED.get(extractor.input, "FROM picture")
        return plan.missing_pictures(self.db, self.store, table, key, decode_key, attempts, again, wanted)

    def _decoder_for(self, model: ModelSettings) -> dict[str, object]:
        """The fingerprint of what decodes for it."""
        gives = load_backend(model.backend).Extractor.input
        return self.clips.fingerprint(gives) if gives in clips.WANTED else self.decoder

    def _execute(self, name: str, model: ModelSettings, key: str, table: str, missing: Any) -> None:
        report = PhaseReport(name, key, new=missing.num_rows)
        self.report.phases.append(report)
        if self.dry_run or not report.new or self.out_of_time(report):
            return
        self._refuse_missing_gpus()
        decode_key = phases.record_model(self.store, self.lease.fence, self._decoder_for(model), self.origin)
        of_clips = table in clips.TABLES
        unit = "text" if table == "text_embedding" else "clip" if of_clips else "image"
        with Progress(name, report.new, unit, loading=model.backend) as progress:
            crew = phases.crew(self.settings, model)
            phase = (ClipPhase if of_clips else Phase)(
                name=name,
                settings=model.model_copy(update={"cpus": crew.cpus}),
                table=table,
                model_key=key,
                decode_key=decode_key,
                limits=self.limits,
                threads=self.settings.run.threads or crew.cpus,
                cpus=crew.cpus,
                max_failed=self.settings.run.max_failed,
                decode_pixels=self.settings.run.decode_pixels,
                web=Web.of(self.settings.input, self.limits).shared(crew.workers, self.settings.run.stall_seconds),
                uncounted=NO_CLIP if of_clips else NO_PICTURE if self.assorted else frozenset(),
                clips=self.clips,
                store=self.store,
                fence=self.lease.fence,
                origin=self.origin,
            )
            size = min(self.settings.run.shard_images, -(-report.new // crew.workers))
            settings = self.settings
            if of_clips:
                size = min(size, clips.SHARD)
                settings = clips.patient(settings, model.batch_size, phase.threads)
            shards = plan.shards(missing, key, size)
            report.here = self.settings.run.executor == "local"
            advance = progress.advance
            for outcome in phases.execute(settings, phase, shards, crew.workers, advance, self.deadline):
                report.add(outcome)
                report.batch_size = outcome.batch_size or report.batch_size
                hopeless(report.quarantined, report.done, phase, phase.max_failed, "", phase.uncounted)
            report.startup_s, report.work_s = progress.startup_s, progress.work_s
        self.out_of_time(report)
        if table == "description":
            self._count_failed(report, model)
        if 0 < report.batch_size < model.batch_size:
            self.report.notes.append(
                f"{name}: out of memory brought the batch size from {model.batch_size} to {report.batch_size}"
            )

    def summary(self) -> str:
        """The last lines of the run; on the demo world, with a few descriptions beside the truth."""
        question = "SELECT artwork_id, caption FROM artwork_features"
        told = self.report.text(shown(self.store.uri), ask(self.store, question), self.dry_run)
        described = [phase.model_key for phase in self.report.phases if phase.name == "describe"]
        if self.settings.input.artwork is None and described and not self.dry_run:
            from featurize.demo.shown import beside_truth

            told = "\n".join(filter(None, [told, beside_truth(self.store, self.demo, described[0])]))
        if self.settings.input.artwork is None and self.settings.input.demo == "clips" and not self.dry_run:
            from featurize.demo.shown import clips_beside_truth

            told = "\n".join(filter(None, [told, clips_beside_truth(self.store, self.demo)]))
        return told
