"""Every threshold of the diagnosis, with its reason. None is fitted to a case: they follow from theory or from simulation."""

from __future__ import annotations

from typing import Final

# Prior odds that one given signal was moved by one given candidate change it is able to move. A page arrived, so about one
# signal in the catalogue is expected to have moved, shared by a handful of candidates.
PRIOR_CANDIDATE: Final = 0.01
# … by something that nobody recorded. Registries miss less than they show, but not by much.
PRIOR_UNOBSERVED: Final = 0.004
# … by a kind of request that takes a larger share: it moves whatever it differs in from the others. Of 17,000 pairs of a kind and
# a signal (27 services, generated and natural) 4 to 9% differ by a fifth of a standard deviation or more.
PRIOR_MIX: Final = 0.05
# A kind of change that is not known to move this family of signals (a corpus moving latency of the model).
INCOMPATIBLE: Final = 0.003
# Times as readily a change moves the one signal that is about what it changed: the calls of the very tool that was described
# anew, the score whose own judge is another. It would be ten and more, but what is known beforehand must not name one of two
# changes that fit alike: 4 to 1 leaves them at NAMED, with anything else that may have done it below.
OWN_SUBJECT: Final = 4.0
# … and makes the calls fail that its own differences make wrong: a parameter that has another name now, a tool that is gone. A
# release of the same hour would have to have hit that very tool by chance, of some thirty that a service calls.
OWN_FAILURE: Final = 30.0
# A change that was rolled out everywhere seldom hurts in one region, environment, key or provider alone: what is asked there
# is asked elsewhere as well, unlike what tenants, routes and intents ask.
IN_ONE_PLACE: Final = 0.05
# Of the changes that are known by a date alone so many are felt only some time after it, with the next roll-out.
GONE_OUT_LATE: Final = 0.25
# Effects are expected between a tenth and one and a half standard deviations of a request's value.
EFFECT_SCALES: Final = (0.1, 0.4, 1.5)
# Of the signals that moved this part is spoken of by the page, as far as a word of it is known: without it a page that names the
# one weak signal that moved would be looked at as if all hundred were asked for. It orders, and lowers the bar for what it names
# so far at most: an alert that is too sensitive names a signal as well.
SPOKEN_OF: Final = 0.5
SPOKEN_MOST: Final = 10.0
# A symptom is told when "nothing changed" is left with less than this, after all signals have been looked at.
MOVED: Final = 0.95
# A cause is named above this posterior among all that could explain the symptom: below it, silence costs less.
NAMED: Final = 0.80
# … and above this one where only its date is known: by what else happened then it may be mistaken for, nobody can count.
NAMED_BY_DATE: Final = 0.85
# … and this one where its date is an interval: polls are hours apart, so that in one incident of five or so some harmless
# change's interval holds an onset that is not its own.
NAMED_WITHIN: Final = 0.97
# Fewer requests than this on either side of a change decide nothing.
MIN_SIDE: Final = 12
# … nor does a contrast of which adjustment leaves less than this part: what is left is a few odd requests, and dividing by it
# makes a rate of all of them out of one.
MIN_LEFT: Final = 0.05
# … and fewer conversations than this on the side that had it: a person or two are no movement, …
MIN_TALKS: Final = 3.0
# … nor are some more, where nothing is on record and the moments are chosen by what is seen.
MIN_APART: Final = 5.0
# Two changes that fewer requests than this lie between are not told apart by them: they are one person's, as often as not.
MIN_BETWEEN: Final = 5
# Of fewer requests under a new version a failure rate that trebled from 3% is missed half of the time.
TOO_FEW: Final = 25
# Fewer events than this (failures, refusals) in both sides together decide nothing.
MIN_EVENTS: Final = 5
# Grid of moments at which something unobserved may have stepped.
STEPS: Final = 150
# At most this many separate causes are looked for: a page with more is one to read by hand.
MAX_CAUSES: Final = 4
# Values of a dimension carried by fewer requests than this are not looked at as slices.
MIN_SLICE: Final = 60
MAX_SLICES: Final = 20
