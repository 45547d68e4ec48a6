"""The importer on files of MicroLens-100K's form, made here: names with unquoted commas, times in milliseconds."""

import pytest

from featurize.intake import inputs
from featurize.recommending import plays as splits
from featurize.storage import tables
from jobs import microlens

PAIRS = "user,item,timestamp\n7,101,1583378629552\n7,102,1583378700000\n9,101,1583378800000\n7,103,1583465100000\n"
TITLES = 'item,title\n101,Cats, dogs, and one more\n102,"Rain"\n103,Ship\n'


def files(folder, pairs=PAIRS, titles=TITLES):
    folder.mkdir(exist_ok=True)
    (folder / "MicroLens-100k_pairs.csv").write_text(pairs, encoding="utf-8")
    (folder / "MicroLens-100k_title_en.csv").write_text(titles, encoding="utf-8-sig")
    return folder


def test_plays_and_titles_come_out_as_the_jobs_read_them(tmp_path, capsys):
    assert microlens.main([str(files(tmp_path / "m")), str(tmp_path / "out")]) == 0
    assert "3 titles and 4 plays of 2 members" in capsys.readouterr().out
    titles = inputs.read("title", str(tmp_path / "out" / "title.parquet")).to_pylist()
    assert {row["title_id"]: row["name"] for row in titles} == {
        "101": "Cats, dogs, and one more",
        "102": "Rain",
        "103": "Ship",
    }
    with tables.connect() as db:
        inputs.view(db, "history", str(tmp_path / "out" / "history.parquet"), scratch=tmp_path)
        rows = db.execute('SELECT member_id, title_id, epoch_ms("at"), fault FROM history ORDER BY "at"').fetchall()
    assert rows == [
        ("7", "101", 1583378629552, None),
        ("7", "102", 1583378700000, None),
        ("9", "101", 1583378800000, None),
        ("7", "103", 1583465100000, None),
    ]
    assert splits.LAST == 13


@pytest.mark.parametrize(
    ("pairs", "titles", "sentence"),
    [
        (PAIRS + "7,104\n", TITLES, "pairs.csv, line 6: user, item and a time in milliseconds"),
        (PAIRS + "7,104,1583378629\n", TITLES, "pairs.csv, line 6"),
        (PAIRS, TITLES + "Lonely\n", "title_en.csv, line 5: an item and its title"),
        (PAIRS, TITLES + "101,Again\n", "line 5: item '101' is there already"),
        (PAIRS, "item,title\n1,One\n", "no item of"),
    ],
)
def test_a_line_of_another_form_is_refused_by_its_number(tmp_path, capsys, pairs, titles, sentence):
    assert microlens.main([str(files(tmp_path / "m", pairs, titles)), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_without_them_is_refused(tmp_path, capsys):
    assert microlens.main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "one file *_pairs.csv is wanted" in capsys.readouterr().err
