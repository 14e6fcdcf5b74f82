"""Guards: was the last window an improvement?"""

from adaqn_lab.guards.monitor_increase import MonitorIncrease

__all__ = ["MonitorIncrease"]
