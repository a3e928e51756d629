/** One part of a report. A part that cannot be gathered says why, and the others are still there. */
export interface ReportSection {
  name: string;
  gather(): Promise<unknown>;
}
