"""Short forms of sentences: a rule proposes them, and each was looked at. See make_data.py.

The rule leaves words out and adds none. It was written with the validation sentences at hand.
``CHECKED`` has what a look at each proposal for a test sentence changed.
"""

import re

_ADVERBS = (
    "absolutely|actually|already|also|always|badly|certainly|completely|deeply|definitely|"
    "especially|even|eventually|extremely|finally|highly|just|often|perfectly|pretty|probably|quite|"
    "quickly|really|seriously|simply|slowly|so|still|suddenly|totally|truly|usually|very"
)
_WHO = "I|you|he|she|it|we|they|Tom|Mary|this|that|the|there|your|my|his|her"
_OPENINGS = (
    rf"I (?:think|guess|know|believe|suppose|heard|hope|thought|knew)(?: that)? (?=(?:{_WHO})\b)|"
    r"I'm (?:sure|afraid|glad)(?: that)? |It seems (?:to me )?that |As far as I know, |"
    r"[A-Z]\w+ speaking, |According to [^,]+, |To tell the truth, |(?:Unf|F)ortunately, |"
    r"Actually, |In my opinion, |After all, |Well, |Please |In case of [^,]+, |"
    r"(?:If|When|Before|Until|Since|After|While|Although) [^,]+, "
)
_UNITS = "minute|hour|day|morning|afternoon|evening|night|week|weekend|month|year|while|time"
_TIME = (
    r"today|yesterday|tomorrow|tonight|(?:right )?now|at once|again|anymore|any longer|any more|"
    r"at all|as well|too|right away|so far|lately|recently|immediately|all the time|"
    rf"(?:this|last|next|every|all|one) (?:\w+ )?(?:{_UNITS}|summer|winter|spring|\w+day)|"
    rf"\w+ (?:\w+ )?(?:{_UNITS})s? ago"
)
_PLACE = (
    r"(?:in|at|on|by|for|during|after|before|near|from|with|around|without|under|through|until|"
    r"since|because of|in spite of) (?:\w+'s |[\w-]+ ){0,3}[\w-]+"
)
_CLAUSE = (
    "(?:when|because|while|before|after|as soon as|just as|unless|until|since|whenever|if) .+"
)
RULES = (  # in this order; each at most once, but the adverbs
    rf"^(?:{_OPENINGS})",
    r", (?:\w+n't|\w+) (?:I|you|he|she|it|we|they)(?=\?)",
    rf",? (?:{_CLAUSE})(?=[.?!]$)",
    rf",? (?:{_TIME})(?=[.?!]$)",
    rf",? (?:{_TIME})(?=[.?!]$)",
    rf" (?:{_PLACE})(?=[.?!]$)",
    rf"\b(?:{_ADVERBS}) (?!as\b|that\b|much\b|many\b|no\b|because\b)|,? please(?=[.?!]$)",
)
_UNFINISHED = (
    r" (?:at|be|do|go|just|like|live|lives|living|looking|plan|stay|to|up|with|New)[.?!]$"
)

# What a look at each proposal changed: a sentence, and its better short form or -: none.
CHECKED = """
If you don't study harder, you'll definitely fail.
    If you don't study harder, you'll fail.
Please don't blow your nose on the tablecloth.
    Don't blow your nose on the tablecloth.
If that's true, then she's better than me.
    If that's true, she's better than me.
There are a lot of earthquakes in Japan.
    There are earthquakes in Japan.
Tom and Mary were on the same wavelength.
    -
I still haven't learned to drive a car.
    I haven't learned to drive.
I don't really want you mad at me.
    I don't want you mad at me.
His car spun out of control going around the curve.
    His car spun out of control.
I'm afraid I'm a bit out of shape.
    I'm out of shape.
If so, then there's no problem at all, is there?
    If so, there's no problem.
Tom certainly fits the description that the police gave us.
    Tom fits the description.
Tom's a beginner, but he catches on fast.
    Tom's a beginner, but he catches on.
I always eat something before going to school.
    I eat something before going to school.
It was Mary that bought this skirt yesterday.
    Mary bought this skirt.
Excuse me, is there a hotel around here?
    Is there a hotel around here?
I will go there even if it rains.
    I will go even if it rains.
I don't want to resign my job at present.
    I don't want to resign.
Are these the pictures that you took in Boston?
    Are these the pictures you took?
He became sick and they laid him on a bench.
    -
I hope Tom is the last one to do that.
    I hope Tom is the last to do that.
He painted the picture which is on the wall.
    He painted the picture on the wall.
Fortunately, the shark bite didn't hit any major arteries.
    The shark bite didn't hit any arteries.
I have something very special planned for your birthday.
    I have something planned for your birthday.
Do you mind if I take off my sweater?
    -
Did you tell Tom he could go see Mary tonight?
    Did you tell Tom he could see Mary?
I didn't know you were that good at French.
    I didn't know you were good at French.
As a rule, I go to school before eight o'clock.
    I go to school before eight o'clock.
This year, Valentine's Day falls on a Sunday.
    Valentine's Day falls on a Sunday.
The top of Mt. Fuji is covered with snow.
    Mt. Fuji is covered with snow.
I think it's going to get steadily hotter from now.
    I think it's going to get hotter.
"""


def proposed(sentence):
    """The sentence without what the rules find, or itself."""
    short = sentence
    for rule in RULES:
        left = re.sub(rule, "", short)
        if len(left.split()) >= 3 and not re.search(_UNFINISHED, left):
            short = left
    return short[:1].upper() + short[1:]


def words(sentence):
    """Its words, small, without the marks at their ends."""
    return [word.strip(".,?!").lower() for word in sentence.split()]


def compressions(sentences, each=30):
    """(sentence, short form) of sentences of eight and more words, in their order.

    So many whose short form is how the sentence begins, and as many where it is not.
    """
    lines = [line.strip() for line in CHECKED.strip().splitlines()]
    checked, found, counts = dict(zip(lines[::2], lines[1::2], strict=True)), [], [0, 0]
    for sentence in sentences:
        if len(words(sentence)) < 8 or (short := proposed(sentence)) == sentence:
            continue
        short = checked.get(sentence, short)
        begins = words(sentence)[: len(words(short))] == words(short)
        if short != "-" and counts[begins] < each:
            counts[begins] += 1
            found.append((sentence, short))
    return found
