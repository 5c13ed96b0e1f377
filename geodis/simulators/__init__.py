"""Sources of items: digits, sentences, planted codes, turbulent flows."""

from geodis.simulators.digits import digit_images as digit_images
from geodis.simulators.digits import digit_split as digit_split
from geodis.simulators.planted import PlantedBlock as PlantedBlock
from geodis.simulators.planted import PlantedCode as PlantedCode
from geodis.simulators.planted import planted as planted
from geodis.simulators.sentences import Sentences as Sentences
from geodis.simulators.sentences import hour_sentences as hour_sentences
from geodis.simulators.sentences import month_sentences as month_sentences
from geodis.simulators.sentences import negation_sentences as negation_sentences
from geodis.simulators.sentences import number_sentences as number_sentences
from geodis.simulators.sentences import weekday_sentences as weekday_sentences
from geodis.simulators.turbulence import random_velocity as random_velocity
from geodis.simulators.turbulence import simulate_turbulence as simulate_turbulence
from geodis.simulators.turbulence import vorticity as vorticity
from geodis.simulators.zoo import PlantedCase as PlantedCase
from geodis.simulators.zoo import planted_cases as planted_cases
