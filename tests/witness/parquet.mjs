// A Parquet reader written by others as a witness: node parquet.mjs FILE
// prints the number of rows in each group, the type of each column, and each row, as JSON on lines.
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";

const file = await asyncBufferFromFile(process.argv[2]);
const { row_groups, schema } = await parquetMetadataAsync(file);
console.log(JSON.stringify(row_groups.map(group => Number(group.num_rows))));
console.log(JSON.stringify(schema.slice(1).map(column => [column.name, column.type, column.converted_type ?? "", column.repetition_type])));
for (const row of await parquetReadObjects({ file })) console.log(JSON.stringify(row));
