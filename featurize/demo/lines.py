"""Lines that actors of the clip world speak. What a line is about can be told by its words and by nothing else."""

from __future__ import annotations

LINES: dict[str, tuple[str, ...]] = {
    "cooking": (
        "Salt the soup before the bread is out of the oven.",
        "Grandmother's recipe wants butter, garlic and a slow oven.",
        "Taste the sauce, then peel the onions for the soup.",
        "You burnt the bread again, and the soup is cold.",
        "Chop the garlic and let the butter melt in the pan.",
        "The kitchen smells of fresh bread and roast garlic.",
        "Never open the oven while the pie is baking.",
        "Stir the sauce, add pepper, and serve the roast.",
    ),
    "money": (
        "The bank wants its loan back, with interest, by Friday.",
        "We owe more money than this house will ever cost.",
        "Sell the shares before the market closes, or we are broke.",
        "He hid the cash from the bank and paid no tax.",
        "A million in debt, and you buy a golden watch.",
        "Invest the money, and the interest will pay the rent.",
        "Count the cash again, the bill is still not paid.",
        "My savings are gone, the bank has failed.",
    ),
    "music": (
        "Play the song again, the piano is out of tune.",
        "She sings the melody, and the choir follows her.",
        "The band has lost its drummer an hour before the concert.",
        "I wrote this song for a guitar and two voices.",
        "Listen to the orchestra, the trumpets come in too late.",
        "He has not touched his piano since the last concert.",
        "That melody has only three chords, and everybody sings it.",
        "Tune your guitar, the band plays at nine.",
    ),
    "medicine": (
        "The doctor says the fever will be gone by morning.",
        "Nurse, the patient is losing blood, call the surgeon.",
        "Take this medicine twice a day and stay in bed.",
        "The hospital has no bed left, and she is ill.",
        "Her pulse has stopped, doctor, what is the diagnosis?",
        "The surgeon can cure the disease, but not the pain.",
        "Your blood test is back, it is only a fever.",
        "The patient swallowed the wrong pills, call the hospital.",
    ),
    "football": (
        "Pass the ball, the goalkeeper is on the ground!",
        "One more goal and our team wins the league.",
        "The referee gave a penalty in the last minute of the match.",
        "Our striker missed the goal, and the team lost the cup.",
        "The coach wants a new goalkeeper before the final match.",
        "Kick the ball into the corner and play for time.",
        "Half time, two goals down, and the striker is limping.",
        "The whole stadium saw that the referee was wrong.",
    ),
    "court": (
        "Your honour, the witness has lied to this court.",
        "The jury finds the accused guilty of fraud.",
        "My lawyer says the judge will never believe the alibi.",
        "Swear to tell the truth before the judge and the jury.",
        "The prosecutor has no evidence, so the case is closed.",
        "Objection, your honour, the lawyer is leading the witness.",
        "The verdict is read at noon, guilty or not.",
        "You will go to prison if the evidence reaches the court.",
    ),
    "farming": (
        "The harvest is late, and the wheat is still green.",
        "Milk the cows before you feed the chickens.",
        "Without rain the crops will die in the field.",
        "The tractor broke down in the middle of the harvest.",
        "We sold two cows to buy seeds for the spring.",
        "The barn is full of hay, and the pigs are fed.",
        "Plough the field today and sow the wheat tomorrow.",
        "A fox took the chickens, and the farmer slept.",
    ),
    "school": (
        "The teacher found the answers in your notebook.",
        "Do your homework, the exam is on Monday.",
        "The whole class failed the exam in mathematics.",
        "Sit down, open your books, and read the lesson aloud.",
        "My daughter's teacher says she must repeat the class.",
        "The pupils wrote the homework on the blackboard.",
        "Who taught you algebra, and who marked this exam?",
        "The lesson is over, close your books and hand them in.",
    ),
}
"""By topic. No line names a theme, setting, mood, role or prop of the pictures."""

TOPICS = tuple(LINES)
