import { connectToHost } from './api/connect.ts';
import { startApp } from './start-app.ts';

startApp(connectToHost(), '#app');
