# SPDX-License-Identifier: Apache-2.0
"""What the commands of `gan-tfc` do: functions of parsed arguments to an exit code."""
