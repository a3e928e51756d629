/** Series as promtool reads them, one value a minute, and the minute at which the alert is looked at. */
export interface Moment {
  series: Record<string, string>;
  minute: number;
}

export interface AlertCase {
  fires: Moment & {
    labels: Record<string, string>;
    /** What the template makes of `$value`, where it uses it. */
    value?: string;
  };
  /** As near to firing as it can be without. */
  quiet: Moment;
  /** The pod goes, another one comes: the alert is there nevertheless, also while nobody tells. */
  restart: Moment & { labels: Record<string, string> };
  /** More that it must not miss, or must not cry about; what is promised there -> the moment. Without labels: quiet. */
  also?: Record<string, Moment & { labels?: Record<string, string> }>;
}

const shop = 'namespace="prod",policy="shop"';
const shopLabels = { namespace: 'prod', policy: 'shop' };

/** The same series told by one pod until minute `until`, and by another one from five minutes later on; by nobody between. */
function handedOver(until: number, series: Record<string, [first: string, second: string]>): Record<string, string> {
  const told = Object.entries(series).flatMap(([name, [first, second]]) => [
    [name.replace('}', ',pod="a"}'), `${first}x${until} stale`],
    [name.replace('}', ',pod="b"}'), `_x${until + 5} ${second}x3000`],
  ]);
  return Object.fromEntries(told);
}

const same = (value: string): [string, string] => [value, value];

const interval = `backstay_schedule_interval_seconds{${shop},schedule="hourly"}`;
const success = `backstay_schedule_last_success_timestamp_seconds{${shop},schedule="hourly"}`;
const suspended = `backstay_policy_suspended{${shop}}`;
const created = `backstay_schedule_created_timestamp_seconds{${shop},schedule="hourly"}`;
const ofWeekly = (series: string): string => series.replace('hourly', 'weekly');
const failures = `backstay_policy_consecutive_failures{${shop}}`;
const nextRun = `backstay_policy_next_run_timestamp_seconds{${shop}}`;
const startingRun = `backstay_run_active_seconds{${shop},method="Dump",run="shop-1",phase="Starting"}`;
const pendingRun = startingRun.replace('Starting', 'Pending');
const runningRun = `backstay_run_active_seconds{${shop},method="Dump",run="shop-1",phase="Running"}`;
const lastTook = `backstay_run_last_duration_seconds{${shop},method="Dump",outcome="Succeeded"}`;
const restored =
  'backstay_restore_completed_timestamp_seconds{namespace="prod",request="back",outcome="Failed",reason="WrongKey"}';
const restoring = 'backstay_restore_active_seconds{namespace="prod",request="back",phase="Preparing"}';
const notReady = `backstay_policy_condition{${shop},type="Ready",status="False",reason="SpecInvalid"}`;
const readOnly = `backstay_policy_condition{${shop},type="Ready",status="True",reason="ReadOnly"}`;
const info = 'backstay_operator_info{namespace="sys",job="backstay-metrics",version="0.1.0"}';
const leader = 'backstay_operator_leader{namespace="sys",job="backstay-metrics"}';
const policyInfo = `backstay_policy_info{${shop},engine="PostgreSQL"}`;
const depth = 'backstay_queue_depth{kind="BackupRun"}';
const reconciled = 'backstay_reconcile_total{kind="BackupRun",outcome="done"}';
const watchRestarts = 'backstay_watch_restarts_total{resource="backupruns"}';
const answers = (code: string) => `backstay_api_requests_total{method="GET",code="${code}"}`;

/** Every alert. Hourly backups are too old after one and a half hours and a quarter: 105 minutes. */
export const alertCases: Record<string, AlertCase> = {
  BackstayBackupTooOld: {
    fires: {
      series: { [interval]: '3600x200', [success]: '0x200', [suspended]: '0x200' },
      minute: 112,
      labels: { ...shopLabels, schedule: 'hourly' },
      value: '1h 52m 0s',
    },
    quiet: { series: { [interval]: '3600x200', [success]: '0x60 3600x140' }, minute: 164 },
    restart: {
      series: handedOver(108, { [interval]: same('3600'), [success]: same('0') }),
      minute: 112,
      labels: { ...shopLabels, schedule: 'hourly' },
    },
  },
  BackstayNeverSucceeded: {
    fires: {
      series: { [created]: '0x200', [interval]: '3600x200', [suspended]: '0x200' },
      minute: 112,
      labels: { ...shopLabels, schedule: 'hourly' },
      value: '1h 52m 0s',
    },
    quiet: { series: { [created]: '0x200', [interval]: '3600x200', [success]: '_x100 6000x100' }, minute: 112 },
    restart: {
      series: handedOver(108, { [created]: same('0'), [interval]: same('3600') }),
      minute: 112,
      labels: { ...shopLabels, schedule: 'hourly' },
    },
    also: {
      'fires for a schedule without a backup beside another one of the policy that has them': {
        series: {
          [created]: '0x200',
          [interval]: '3600x200',
          [ofWeekly(created)]: '0x200',
          [ofWeekly(interval)]: '604800x200',
          [ofWeekly(success)]: '3600x200',
          [`backstay_policy_last_success_timestamp_seconds{${shop}}`]: '3600x200',
        },
        minute: 112,
        labels: { ...shopLabels, schedule: 'hourly' },
      },
      'is quiet about a schedule that an old policy was given a while ago': {
        series: {
          [`backstay_policy_created_timestamp_seconds{${shop}}`]: '0x400',
          [created]: '_x200 12000x200',
          [interval]: '_x200 3600x200',
        },
        minute: 300,
      },
    },
  },
  BackstayBackupFailed: {
    fires: { series: { [failures]: '0x5 1x30' }, minute: 10, labels: shopLabels },
    quiet: { series: { [failures]: '1x5 0x30' }, minute: 10 },
    restart: { series: handedOver(10, { [failures]: same('1') }), minute: 12, labels: shopLabels },
  },
  BackstayBackupFailingRepeatedly: {
    fires: { series: { [failures]: '1x5 2x30' }, minute: 10, labels: shopLabels, value: '2' },
    quiet: { series: { [failures]: '1x30' }, minute: 10 },
    restart: { series: handedOver(10, { [failures]: same('2') }), minute: 12, labels: shopLabels },
  },
  BackstayRunOverdue: {
    fires: { series: { [nextRun]: '600x60', [suspended]: '0x60' }, minute: 26, labels: shopLabels, value: '16m 0s' },
    quiet: { series: { [nextRun]: '600x12 4200x60' }, minute: 60 },
    restart: { series: handedOver(30, { [nextRun]: same('600') }), minute: 33, labels: shopLabels },
  },
  BackstayRunStuck: {
    fires: {
      series: { [runningRun]: '0+60x200', [lastTook]: '600x200' },
      minute: 106,
      labels: { ...shopLabels, run: 'shop-1' },
      value: '1h 46m 0s',
    },
    quiet: { series: { [runningRun]: '0+60x200', [lastTook]: '2400x200', [startingRun]: '0+60x59' }, minute: 106 },
    restart: {
      series: handedOver(75, { [startingRun]: ['0+60', '4800+60'] }),
      minute: 78,
      labels: { ...shopLabels, run: 'shop-1' },
    },
    also: {
      'is quiet about a run that waits in line, however long': { series: { [pendingRun]: '0+60x900' }, minute: 900 },
      'is quiet about the second attempt of a run whose first one took hours, while it starts': {
        series: { [runningRun]: '0+60x200', [startingRun]: '_x200 12060+60x3', [lastTook]: '12000x220' },
        minute: 215,
      },
    },
  },
  BackstayRunWaitsLong: {
    fires: {
      series: { [pendingRun]: '0+60x500', [suspended]: '0x500' },
      minute: 377,
      labels: { ...shopLabels, run: 'shop-1' },
      value: '6h 17m 0s',
    },
    quiet: { series: { [pendingRun]: '0+60x355', [runningRun]: '_x355 21300+60x60' }, minute: 377 },
    restart: {
      series: handedOver(377, { [pendingRun]: ['0+60', '22920+60'] }),
      minute: 380,
      labels: { ...shopLabels, run: 'shop-1' },
    },
    also: {
      'is quiet about a run of a suspended policy: that waits on purpose': {
        series: { [pendingRun]: '0+60x500', [suspended]: '1x500' },
        minute: 377,
      },
      'is quiet between the two attempts of a run whose first one took hours': {
        series: { [runningRun]: '0+60x400', [pendingRun]: '_x400 24060+60x3', [startingRun]: '_x404 24300+60x60' },
        minute: 416,
      },
    },
  },
  BackstayRestoreFailed: {
    fires: {
      series: { [restored]: '_x9 600x600' },
      minute: 10,
      labels: { namespace: 'prod', request: 'back', reason: 'WrongKey' },
      value: '0s',
    },
    quiet: {
      series: { [restored]: '_x9 600x600', [restored.replace('Failed', 'Succeeded').replace('back', 'well')]: '0x600' },
      minute: 371,
    },
    restart: {
      series: handedOver(20, { [restored]: same('600') }),
      minute: 23,
      labels: { namespace: 'prod', request: 'back', reason: 'WrongKey' },
    },
  },
  BackstayRestoreStuck: {
    fires: {
      series: { [restoring]: '0+60x60' },
      minute: 31,
      labels: { namespace: 'prod', request: 'back' },
      value: '31m 0s',
    },
    quiet: {
      series: { [restoring]: '0+60x25', [restoring.replace('Preparing', 'Replaying')]: '_x25 1560+60x60' },
      minute: 60,
    },
    restart: {
      series: handedOver(33, { [restoring]: ['0+60', '2340+60'] }),
      minute: 36,
      labels: { namespace: 'prod', request: 'back' },
    },
  },
  BackstayPolicySuspended: {
    fires: { series: { [suspended]: '1x3000' }, minute: 1442, labels: shopLabels },
    quiet: { series: { [suspended]: '1x700 0 1x3000' }, minute: 1500 },
    restart: { series: handedOver(1000, { [suspended]: same('1') }), minute: 1442, labels: shopLabels },
  },
  BackstayPolicyReadOnly: {
    fires: { series: { [readOnly]: '1x3000', [suspended]: '0x3000' }, minute: 1442, labels: shopLabels },
    // Taken over after half a day, and lost again.
    quiet: { series: { [readOnly]: '1x700 stale _x20 1x3000' }, minute: 1500 },
    restart: { series: handedOver(1000, { [readOnly]: same('1') }), minute: 1442, labels: shopLabels },
    also: {
      'is quiet about a policy that is suspended: that has an alert of its own': {
        series: { [readOnly.replace('ReadOnly', 'Suspended')]: '1x3000', [suspended]: '1x3000' },
        minute: 1500,
      },
    },
  },
  BackstayPolicyNotReady: {
    fires: {
      series: { [notReady]: '1x60', [failures]: '0x60' },
      minute: 16,
      labels: { ...shopLabels, reason: 'SpecInvalid' },
    },
    // A failed run is the business of another alert.
    quiet: { series: { [notReady]: '1x60', [failures]: '1x60' }, minute: 16 },
    restart: {
      series: handedOver(8, { [notReady]: same('1') }),
      minute: 16,
      labels: { ...shopLabels, reason: 'SpecInvalid' },
    },
  },
  BackstayOperatorDown: {
    fires: { series: { [info]: '1x10 stale' }, minute: 17, labels: {} },
    quiet: { series: { [info]: '1x10 stale _x3 1x60' }, minute: 17 },
    // Both replicas went at once and only the first came back, into a crash at once: nobody answers.
    restart: { series: { [info]: '1x10 stale' }, minute: 30, labels: {} },
  },
  BackstayNoLeader: {
    fires: {
      series: { [leader.replace('}', ',pod="a"}')]: '1x10 0x60', [leader.replace('}', ',pod="b"}')]: '0x70' },
      minute: 17,
      labels: { namespace: 'sys', job: 'backstay-metrics' },
    },
    quiet: {
      series: { [leader.replace('}', ',pod="a"}')]: '1x10 stale', [leader.replace('}', ',pod="b"}')]: '0x12 1x60' },
      minute: 17,
    },
    restart: {
      series: { [leader.replace('}', ',pod="a"}')]: '0x10 stale', [leader.replace('}', ',pod="b"}')]: '0x60' },
      minute: 17,
      labels: { namespace: 'sys', job: 'backstay-metrics' },
    },
  },
  BackstayMetricsAbsent: {
    fires: { series: { [policyInfo]: '1x10 stale', [leader]: '1x60' }, minute: 22, labels: {}, value: '1' },
    quiet: { series: { [policyInfo]: '1x10 stale _x5 1x60', [leader]: '1x60' }, minute: 22 },
    restart: {
      series: {
        [policyInfo.replace('}', ',pod="a"}')]: '1x10 stale',
        [leader.replace('}', ',pod="a"}')]: '1x10 stale',
        [leader.replace('}', ',pod="b"}')]: '0x10 1x60',
      },
      minute: 25,
      labels: {},
    },
    also: {
      'still fires three hours after the figures went': {
        series: { [policyInfo]: '1x10 stale', [leader]: '1x300' },
        minute: 200,
        labels: {},
      },
      'fires as soon as the alerts on the backups fall silent, and not later': {
        series: { [policyInfo]: '1x60 stale', [leader]: '1x200' },
        minute: 70,
        labels: {},
      },
      'is quiet where there never was a policy': { series: { [leader]: '1x200' }, minute: 190 },
    },
  },
  BackstayQueueStuck: {
    fires: {
      series: { [depth]: '0x5 3x60', [reconciled]: '0+5x5 25x60' },
      minute: 22,
      labels: { kind: 'BackupRun' },
      value: '3',
    },
    quiet: { series: { [depth]: '3x60', [reconciled]: '0+5x60' }, minute: 22 },
    restart: {
      series: {
        [depth.replace('}', ',pod="a"}')]: '0x5 stale',
        [depth.replace('}', ',pod="b"}')]: '_x5 7x60',
        [reconciled.replace('}', ',pod="a"}')]: '0+5x5 stale',
      },
      minute: 30,
      labels: { kind: 'BackupRun' },
    },
  },
  BackstayApiErrors: {
    fires: {
      series: { [answers('200')]: '0+80x60', [answers('503')]: '0+10x60', [answers('error')]: '0+10x60' },
      minute: 30,
      labels: {},
      value: '20%',
    },
    // 404 and 409 are answers that are expected.
    quiet: {
      series: { [answers('200')]: '0+80x60', [answers('409')]: '0+50x60', [answers('503')]: '0+1x60' },
      minute: 30,
    },
    restart: {
      series: handedOver(15, { [answers('200')]: same('0+80'), [answers('403')]: same('0+20') }),
      minute: 40,
      labels: {},
    },
  },
  BackstayWatchRestarts: {
    fires: { series: { [watchRestarts]: '0+1x90' }, minute: 60, labels: { resource: 'backupruns' }, value: '60' },
    quiet: { series: { [watchRestarts]: '0+1x25 25x90' }, minute: 60 },
    restart: {
      series: handedOver(20, { [watchRestarts]: same('0+1') }),
      minute: 60,
      labels: { resource: 'backupruns' },
    },
  },
};
