// What a dashboard may be, by Grafana's own types. A test writes the dashboards below this as literals, so that an unknown key is
// an error too, and lets the TypeScript compiler judge.
import type { Dashboard, FieldConfig, MatcherConfig, Panel, RowPanel, VariableModel, AnnotationQuery, DataSourceRef } from '@grafana/schema';
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions, FieldConfig as TableField } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as SeriesOptions, FieldConfig as SeriesField } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as TimelineOptions, FieldConfig as TimelineField } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';

// JSON has no enums: their values are taken.
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// The query of the Prometheus data source is not part of @grafana/schema.
type Query = {
  refId: string; datasource: DataSourceRef; editorMode: 'code'; expr: string; format: 'time_series' | 'table';
  instant: boolean; range: boolean; legendFormat?: string;
};
type Field<Custom> = {
  defaults: Omit<Plain<FieldConfig>, 'custom'> & { custom?: Plain<Partial<Custom>> };
  overrides: Array<{ matcher: Plain<MatcherConfig>; properties: Array<{ id: string; value?: unknown }> }>;
};
type Of<Type, Options, Custom = Record<string, never>> =
  Omit<Plain<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> &
  { id: number; type: Type; title: string; description: string; options: Plain<Options>; fieldConfig: Field<Custom>; targets: Query[] };
type AnyPanel =
  | Of<'bargauge', BarGaugeOptions> | Of<'stat', StatOptions> | Of<'table', TableOptions, TableField>
  | Of<'timeseries', SeriesOptions, SeriesField> | Of<'state-timeline', TimelineOptions, TimelineField> | Plain<RowPanel>;
type Annotation = Plain<AnnotationQuery> & { expr: string; step: string; titleFormat: string };
type Board = Omit<Plain<Dashboard>, 'panels' | 'templating' | 'annotations'> & {
  uid: string; panels: AnyPanel[]; templating: { list: Array<Plain<VariableModel>> }; annotations: { list: Annotation[] };
};
type Import = Board & {
  __inputs: Array<{ name: string; label: string; description: string; type: 'datasource'; pluginId: string; pluginName: string }>;
  __elements: Record<string, never>;
  __requires: Array<{ type: 'grafana' | 'datasource' | 'panel'; id: string; name: string; version: string }>;
};
